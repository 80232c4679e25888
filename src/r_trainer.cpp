// Glue: the training of one stage.
#include "engine/trainer.h"

#include <memory>

#include "r_convert.h"
#include "r_descent.h"
#include "r_glue.h"
#include "r_tokens.h"

using canal::StageTrainer;

namespace {

canal::Trainable trainable_named(const std::string& name) {
  if (name == "all") return canal::Trainable::all;
  if (name == "stage") return canal::Trainable::stage;
  if (name == "head") return canal::Trainable::head;
  throw canal::Error(canal::ErrorKind::input, "There is no trainable part \"" + name + "\".");
}

canal::CacheOptions cache_from_r(Rcpp::List o) {
  return {Rcpp::as<bool>(o["enabled"]), static_cast<int64_t>(Rcpp::as<double>(o["memory"])),
          Rcpp::as<std::string>(o["folder"])};
}

canal::TrainerOptions options_from_r(Rcpp::List o) {
  auto number = [&](const char* name) { return Rcpp::as<double>(o[name]); };
  canal::TrainerOptions options;
  glue::descent_from_r(o, options);
  options.trainable = trainable_named(Rcpp::as<std::string>(o["trainable"]));
  options.label_smoothing = number("label_smoothing");
  options.distillation = number("distillation");
  options.dropped_tokens = number("dropped_tokens");
  options.learn_positions = Rcpp::as<bool>(o["learn_positions"]);
  options.new_positions = static_cast<int64_t>(number("new_positions"));
  options.cache = cache_from_r(o["cache"]);
  return options;
}

canal::StageData stage_data(const Rcpp::RawMatrix& tokens, const Rcpp::IntegerVector& labels0) {
  return {glue::token_view(tokens), std::vector<int32_t>(labels0.begin(), labels0.end())};
}

}  // namespace

// Returns NULL where the user interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_trainer(Rcpp::List weights, Rcpp::Nullable<Rcpp::List> old_weights, Rcpp::RawMatrix tokens,
                 Rcpp::IntegerVector labels0, Rcpp::List options) {
  canal::Control control;
  canal::TrainerOptions native;
  canal::Weights start, old;
  glue::guarded([&] {
    native = options_from_r(options);
    start = glue::weights_from_r(weights);
    if (old_weights.isNotNull()) old = glue::weights_from_r(Rcpp::List(old_weights));
  });
  const canal::StageData data = stage_data(tokens, labels0);
  std::unique_ptr<StageTrainer> trainer;
  const bool finished = glue::interruptible(control, R_NilValue, [&] {
    trainer =
        std::make_unique<StageTrainer>(start, old.empty() ? nullptr : &old, data, native, control);
  });
  if (!finished) return R_NilValue;
  return Rcpp::XPtr<StageTrainer>(trainer.release());
}

// Mean losses of the epoch; NULL where the user interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_train_epoch(Rcpp::XPtr<canal::StageTrainer> trainer, double learning_rate, bool shuffle,
                     SEXP progress) {
  canal::Control control;
  canal::Losses losses{};
  StageTrainer& native = *trainer;
  const bool finished = glue::interruptible(
      control, progress, [&] { losses = native.train_epoch(learning_rate, shuffle, control); });
  if (!finished) return R_NilValue;
  return Rcpp::List::create(Rcpp::_["classification"] = losses.classification,
                            Rcpp::_["distillation"] = losses.distillation,
                            Rcpp::_["total"] = losses.total);
}

// Loss and 0-based predictions; NULL where the user interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_validate(Rcpp::XPtr<canal::StageTrainer> trainer, Rcpp::RawMatrix tokens,
                  Rcpp::IntegerVector labels0) {
  canal::Control control;
  canal::Validation validation{};
  const canal::StageData data = stage_data(tokens, labels0);
  const StageTrainer& native = *trainer;
  const bool finished = glue::interruptible(control, R_NilValue,
                                            [&] { validation = native.validate(data, control); });
  if (!finished) return R_NilValue;
  return Rcpp::List::create(Rcpp::_["loss"] = validation.loss,
                            Rcpp::_["predicted0"] = Rcpp::wrap(validation.predicted));
}

// "" where all is well.
// [[Rcpp::export(rng = false)]]
std::string cpp_cache_problem(Rcpp::XPtr<canal::StageTrainer> trainer) {
  return glue::guarded([&] { return trainer->cache_problem(); });
}

// Gives back memory and files now: R knows nothing of their size and may wait long to collect them.
// [[Rcpp::export(rng = false)]]
void cpp_release_trainer(Rcpp::XPtr<canal::StageTrainer> trainer) { trainer.release(); }

// [[Rcpp::export(rng = false)]]
void cpp_keep_best(Rcpp::XPtr<canal::StageTrainer> trainer) {
  glue::guarded([&] { trainer->keep_best(); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_best_weights(Rcpp::XPtr<canal::StageTrainer> trainer) {
  return glue::guarded([&] { return glue::weights_to_r(trainer->best_weights()); });
}

// Everything that training changes, as a list.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_trainer_state(Rcpp::XPtr<canal::StageTrainer> trainer) {
  return glue::guarded([&] { return glue::state_to_r(trainer->state()); });
}

// [[Rcpp::export(rng = false)]]
void cpp_restore_trainer(Rcpp::XPtr<canal::StageTrainer> trainer, Rcpp::List state) {
  glue::guarded([&] { trainer->restore(glue::state_from_r(state)); });
}
