#include "r_descent.h"

#include "r_compute.h"
#include "r_convert.h"
#include "r_glue.h"
#include "r_team.h"

namespace glue {

void steps_from_r(Rcpp::List list, canal::DescentOptions& options) {
  auto number = [&](const char* name) { return Rcpp::as<double>(list[name]); };
  options.batch_size = static_cast<int64_t>(number("batch_size"));
  options.clip_norm = number("clip_norm");
  options.amsgrad = Rcpp::as<bool>(list["amsgrad"]);
  options.weight_decay = number("weight_decay");
  options.seed = static_cast<uint64_t>(number("seed"));
  options.num_threads = static_cast<int>(number("num_threads"));
}

void descent_from_r(Rcpp::List list, canal::DescentOptions& options) {
  steps_from_r(list, options);
  auto number = [&](const char* name) { return Rcpp::as<double>(list[name]); };
  options.accumulation = static_cast<int64_t>(number("accumulation"));
  options.redraw_interval = static_cast<int64_t>(number("redraw_interval"));
  options.batch_stabiliser = Rcpp::as<bool>(list["batch_stabiliser"]);
  options.compute = compute_from_r(list["compute"]);
  if (list.containsElementNamed("team")) options.team = team_from_r(list["team"]);
}

Rcpp::List state_to_r(const canal::TrainingState& state) {
  return Rcpp::List::create(
      Rcpp::_["weights"] = weights_to_r(state.weights), Rcpp::_["best"] = weights_to_r(state.best),
      Rcpp::_["first_moments"] = weights_to_r(state.first_moments),
      Rcpp::_["second_moments"] = weights_to_r(state.second_moments),
      Rcpp::_["largest_moments"] = weights_to_r(state.largest_moments),
      Rcpp::_["steps"] = static_cast<double>(state.steps),
      Rcpp::_["passes_since_redraw"] = static_cast<double>(state.passes_since_redraw),
      Rcpp::_["generator"] = vector_of<Rcpp::RawVector>(state.generator));
}

canal::TrainingState state_from_r(Rcpp::List list) {
  canal::TrainingState state;
  state.weights = weights_from_r(list["weights"]);
  state.best = weights_from_r(list["best"]);
  state.first_moments = weights_from_r(list["first_moments"]);
  state.second_moments = weights_from_r(list["second_moments"]);
  state.largest_moments = weights_from_r(list["largest_moments"]);
  state.steps = static_cast<int64_t>(Rcpp::as<double>(list["steps"]));
  state.passes_since_redraw = static_cast<int64_t>(Rcpp::as<double>(list["passes_since_redraw"]));
  const Rcpp::RawVector generator = list["generator"];
  state.generator.assign(generator.begin(), generator.end());
  return state;
}

}  // namespace glue
