// Glue: pre-training.
#include "engine/pretrainer.h"

#include "r_convert.h"
#include "r_descent.h"
#include "r_glue.h"
#include "r_tokens.h"

using canal::Pretrainer;

namespace {

canal::PretrainerOptions options_from_r(Rcpp::List o) {
  canal::PretrainerOptions options;
  glue::descent_from_r(o, options);
  options.masked_share = Rcpp::as<double>(o["masked"]);
  options.replaced_share = Rcpp::as<double>(o["replaced"]);
  options.zeros = Rcpp::as<double>(o["zeros"]);
  options.token_weights = Rcpp::as<std::vector<double>>(o["token_weights"]);
  options.learn_positions = Rcpp::as<bool>(o["learn_positions"]);
  return options;
}

Rcpp::List sums_to_r(const canal::MaskedSums& sums) {
  return Rcpp::List::create(
      Rcpp::_["loss"] = sums.loss, Rcpp::_["weight"] = sums.weight,
      Rcpp::_["right"] = static_cast<double>(sums.right),
      Rcpp::_["chosen"] = static_cast<double>(sums.chosen),
      Rcpp::_["chosen_by_token"] = glue::vector_of<Rcpp::NumericVector>(sums.chosen_by_token),
      Rcpp::_["right_by_token"] = glue::vector_of<Rcpp::NumericVector>(sums.right_by_token));
}

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::Pretrainer> cpp_pretrainer(Rcpp::List weights, Rcpp::List options) {
  return glue::guarded([&] {
    std::unique_ptr<Pretrainer> trainer(
        new Pretrainer(glue::weights_from_r(weights), options_from_r(options)));
    return Rcpp::XPtr<Pretrainer>(trainer.release());
  });
}

// Steps over these cells in their order. Sums over predicted tokens; NULL where the user
// interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_pretrain(Rcpp::XPtr<canal::Pretrainer> trainer, Rcpp::RawMatrix tokens,
                  double learning_rate, SEXP progress) {
  canal::Control control;
  canal::MaskedSums sums;
  Pretrainer& native = *trainer;
  const canal::TokenView view = glue::token_view(tokens);
  const bool finished = glue::interruptible(
      control, progress, [&] { sums = native.train(view, learning_rate, control); });
  if (!finished) return R_NilValue;
  return sums_to_r(sums);
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_pretrain_validate(Rcpp::XPtr<canal::Pretrainer> trainer, Rcpp::RawMatrix tokens,
                           double seed) {
  canal::Control control;
  canal::MaskedSums sums;
  const Pretrainer& native = *trainer;
  const canal::TokenView view = glue::token_view(tokens);
  const bool finished = glue::interruptible(control, R_NilValue, [&] {
    sums = native.validate(view, static_cast<uint64_t>(seed), control);
  });
  if (!finished) return R_NilValue;
  return sums_to_r(sums);
}

// [[Rcpp::export(rng = false)]]
void cpp_release_pretrainer(Rcpp::XPtr<canal::Pretrainer> trainer) { trainer.release(); }

// [[Rcpp::export(rng = false)]]
void cpp_pretrainer_keep_best(Rcpp::XPtr<canal::Pretrainer> trainer) {
  glue::guarded([&] { trainer->keep_best(); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_pretrainer_best(Rcpp::XPtr<canal::Pretrainer> trainer) {
  return glue::guarded([&] { return glue::weights_to_r(trainer->best_weights()); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_pretrainer_state(Rcpp::XPtr<canal::Pretrainer> trainer) {
  return glue::guarded([&] { return glue::state_to_r(trainer->state()); });
}

// [[Rcpp::export(rng = false)]]
void cpp_restore_pretrainer(Rcpp::XPtr<canal::Pretrainer> trainer, Rcpp::List state) {
  glue::guarded([&] { trainer->restore(glue::state_from_r(state)); });
}
