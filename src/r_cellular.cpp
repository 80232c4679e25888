// Glue: CELLULAR. Log-normalised values come as a dgCMatrix of genes x cells, whose slots are read
// in place; types, batches and cells are counted from 0.
#include "engine/cellular.h"

#include "r_convert.h"
#include "r_descent.h"
#include "r_glue.h"
#include "r_sparse.h"

using canal::CellularClassifier;
using canal::CellularEncoder;
using canal::CellularTrainer;
using canal::ClassifierTrainer;

namespace {

canal::CellularOptions options_from_r(Rcpp::List o) {
  auto number = [&](const char* name) { return Rcpp::as<double>(o[name]); };
  canal::CellularOptions options{};
  glue::steps_from_r(o, options);
  options.snn_weight = number("snn_weight");
  options.batch_weight = number("batch_weight");
  options.centroid_weight = number("centroid_weight");
  options.temperature = number("temperature");
  options.least_temperature = number("least_temperature");
  options.most_temperature = number("most_temperature");
  options.batch_temperature = number("batch_temperature");
  options.dropout = number("dropout");
  return options;
}

canal::ClassifierOptions classifier_options_from_r(Rcpp::List o) {
  canal::ClassifierOptions options{};
  glue::steps_from_r(o, options);
  options.dropout = Rcpp::as<double>(o["dropout"]);
  options.plain_cross_entropy = Rcpp::as<bool>(o["plain_cross_entropy"]);
  return options;
}

template <class Number>
std::vector<Number> numbers_or_none(const Rcpp::Nullable<Rcpp::IntegerVector>& given) {
  if (given.isNull()) return {};
  const Rcpp::IntegerVector values(given);
  return std::vector<Number>(values.begin(), values.end());
}

canal::CellGroups groups_from_r(const Rcpp::IntegerVector& types0,
                                const Rcpp::Nullable<Rcpp::IntegerVector>& batches0) {
  return {std::vector<int32_t>(types0.begin(), types0.end()), numbers_or_none<int32_t>(batches0)};
}

Rcpp::List sums_to_r(const canal::CellularSums& sums) {
  return Rcpp::List::create(Rcpp::_["snn"] = sums.snn, Rcpp::_["batch"] = sums.batch,
                            Rcpp::_["centroid"] = sums.centroid, Rcpp::_["total"] = sums.total,
                            Rcpp::_["with_snn"] = static_cast<double>(sums.with_snn),
                            Rcpp::_["with_batch"] = static_cast<double>(sums.with_batch),
                            Rcpp::_["with_centroid"] = static_cast<double>(sums.with_centroid),
                            Rcpp::_["steps"] = static_cast<double>(sums.steps),
                            Rcpp::_["skipped"] = static_cast<double>(sums.skipped));
}

}  // namespace

// ---- The encoder --------------------------------------------------------------------------------

// Genes x count.
// [[Rcpp::export(rng = false)]]
SEXP cpp_principal_axes(Rcpp::S4 values, int count, int num_threads) {
  const glue::SparseMatrix input(values);
  const canal::SparseCells cells = input.view();
  canal::Control control;
  std::vector<double> axes;
  glue::run_or_interrupt(control, R_NilValue,
                         [&] { axes = canal::principal_axes(cells, count, num_threads, control); });
  auto matrix = glue::new_matrix<Rcpp::NumericMatrix>(static_cast<int>(cells.genes), count);
  std::copy(axes.begin(), axes.end(), matrix.begin());
  return matrix;
}

// Untrained weights.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_start(double genes, double first, double second, double latent,
                              double temperature, double seed) {
  return glue::guarded([&] {
    const canal::EncoderWidths widths{static_cast<int64_t>(genes), static_cast<int64_t>(first),
                                      static_cast<int64_t>(second), static_cast<int64_t>(latent)};
    return glue::weights_to_r(
        canal::start_encoder(widths, temperature, static_cast<uint64_t>(seed)));
  });
}

// distances: types x types, 0 or NA where a pair has none. batches0: NULL where there are none.
// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::CellularTrainer> cpp_cellular_trainer(
    Rcpp::List weights, Rcpp::NumericMatrix distances, Rcpp::IntegerVector types0,
    Rcpp::Nullable<Rcpp::IntegerVector> batches0, Rcpp::List options) {
  return glue::guarded([&] {
    std::unique_ptr<CellularTrainer> trainer(new CellularTrainer(
        glue::weights_from_r(weights), std::vector<double>(distances.begin(), distances.end()),
        groups_from_r(types0, batches0), options_from_r(options)));
    return Rcpp::XPtr<CellularTrainer>(trainer.release());
  });
}

// Steps over the mini-batches of these training cells; NULL: all in random order. Sums over
// mini-batches; NULL where the user interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_train(Rcpp::XPtr<canal::CellularTrainer> trainer, Rcpp::S4 values,
                        Rcpp::Nullable<Rcpp::IntegerVector> order0, double learning_rate,
                        SEXP progress) {
  const glue::SparseMatrix input(values);
  const std::vector<int64_t> order = numbers_or_none<int64_t>(order0);
  CellularTrainer& native = *trainer;
  canal::Control control;
  canal::CellularSums sums;
  const bool finished = glue::interruptible(
      control, progress, [&] { sums = native.train(input.view(), order, learning_rate, control); });
  if (!finished) return R_NilValue;
  return sums_to_r(sums);
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_validate(Rcpp::XPtr<canal::CellularTrainer> trainer, Rcpp::S4 values,
                           Rcpp::IntegerVector types0, Rcpp::Nullable<Rcpp::IntegerVector> batches0,
                           SEXP progress) {
  const glue::SparseMatrix input(values);
  const canal::CellGroups groups = groups_from_r(types0, batches0);
  const CellularTrainer& native = *trainer;
  canal::Control control;
  canal::CellularSums sums;
  const bool finished = glue::interruptible(
      control, progress, [&] { sums = native.validate(input.view(), groups, control); });
  if (!finished) return R_NilValue;
  return sums_to_r(sums);
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_weights(Rcpp::XPtr<canal::CellularTrainer> trainer) {
  return glue::guarded([&] { return glue::weights_to_r(trainer->weights()); });
}

// [[Rcpp::export(rng = false)]]
void cpp_cellular_keep_best(Rcpp::XPtr<canal::CellularTrainer> trainer) {
  glue::guarded([&] { trainer->keep_best(); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_best(Rcpp::XPtr<canal::CellularTrainer> trainer) {
  return glue::guarded([&] { return glue::weights_to_r(trainer->best_weights()); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_state(Rcpp::XPtr<canal::CellularTrainer> trainer) {
  return glue::guarded([&] { return glue::state_to_r(trainer->state()); });
}

// [[Rcpp::export(rng = false)]]
void cpp_cellular_restore(Rcpp::XPtr<canal::CellularTrainer> trainer, Rcpp::List state) {
  glue::guarded([&] { trainer->restore(glue::state_from_r(state)); });
}

// [[Rcpp::export(rng = false)]]
void cpp_cellular_release(Rcpp::XPtr<canal::CellularTrainer> trainer) { trainer.release(); }

// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::CellularEncoder> cpp_cellular_encoder(Rcpp::List weights) {
  return glue::guarded([&] {
    std::unique_ptr<CellularEncoder> encoder(new CellularEncoder(glue::weights_from_r(weights)));
    return Rcpp::XPtr<CellularEncoder>(encoder.release());
  });
}

// Cells x latent.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_embed(Rcpp::XPtr<canal::CellularEncoder> encoder, Rcpp::S4 values,
                        int num_threads, SEXP progress) {
  const glue::SparseMatrix input(values);
  const CellularEncoder& native = *encoder;
  canal::Control control;
  canal::FloatArray embedding;
  glue::run_or_interrupt(control, progress,
                         [&] { embedding = native.embed(input.view(), num_threads, control); });
  return glue::matrix_to_r(embedding);
}

// ---- The classifier -----------------------------------------------------------------------------

// Untrained weights.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_classifier_start(double latent, double first, double second, double types,
                                         double seed) {
  return glue::guarded([&] {
    const canal::ClassifierWidths widths{static_cast<int64_t>(latent), static_cast<int64_t>(first),
                                         static_cast<int64_t>(second), static_cast<int64_t>(types)};
    return glue::weights_to_r(canal::start_classifier(widths, static_cast<uint64_t>(seed)));
  });
}

// embedding: cells x latent.
// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::ClassifierTrainer> cpp_cellular_classifier_trainer(Rcpp::List weights,
                                                                     SEXP embedding,
                                                                     Rcpp::IntegerVector types0,
                                                                     Rcpp::List options) {
  return glue::guarded([&] {
    std::unique_ptr<ClassifierTrainer> trainer(new ClassifierTrainer(
        glue::weights_from_r(weights), glue::float32_from_r(embedding),
        std::vector<int32_t>(types0.begin(), types0.end()), classifier_options_from_r(options)));
    return Rcpp::XPtr<ClassifierTrainer>(trainer.release());
  });
}

// As cpp_cellular_train(). Means over the cells.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_classifier_train(Rcpp::XPtr<canal::ClassifierTrainer> trainer,
                                   Rcpp::Nullable<Rcpp::IntegerVector> order0, double learning_rate,
                                   SEXP progress) {
  const std::vector<int64_t> order = numbers_or_none<int64_t>(order0);
  ClassifierTrainer& native = *trainer;
  canal::Control control;
  canal::ClassifierEpoch epoch{};
  const bool finished = glue::interruptible(
      control, progress, [&] { epoch = native.train(order, learning_rate, control); });
  if (!finished) return R_NilValue;
  return Rcpp::List::create(Rcpp::_["loss"] = epoch.loss, Rcpp::_["accuracy"] = epoch.accuracy);
}

// Loss and 0-based predictions; NULL where the user interrupted.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_classifier_validate(Rcpp::XPtr<canal::ClassifierTrainer> trainer, SEXP embedding,
                                      Rcpp::IntegerVector types0) {
  const canal::FloatArray cells = glue::guarded([&] { return glue::float32_from_r(embedding); });
  const std::vector<int32_t> types(types0.begin(), types0.end());
  const ClassifierTrainer& native = *trainer;
  canal::Control control;
  canal::ClassifierValidation validation{};
  const bool finished = glue::interruptible(
      control, R_NilValue, [&] { validation = native.validate(cells, types, control); });
  if (!finished) return R_NilValue;
  return Rcpp::List::create(Rcpp::_["loss"] = validation.loss,
                            Rcpp::_["predicted0"] = Rcpp::wrap(validation.predicted));
}

// [[Rcpp::export(rng = false)]]
void cpp_cellular_classifier_keep_best(Rcpp::XPtr<canal::ClassifierTrainer> trainer) {
  glue::guarded([&] { trainer->keep_best(); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cellular_classifier_best(Rcpp::XPtr<canal::ClassifierTrainer> trainer) {
  return glue::guarded([&] { return glue::weights_to_r(trainer->best_weights()); });
}

// [[Rcpp::export(rng = false)]]
void cpp_cellular_classifier_release(Rcpp::XPtr<canal::ClassifierTrainer> trainer) {
  trainer.release();
}

// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::CellularClassifier> cpp_cellular_classifier(Rcpp::List weights) {
  return glue::guarded([&] {
    std::unique_ptr<CellularClassifier> classifier(
        new CellularClassifier(glue::weights_from_r(weights)));
    return Rcpp::XPtr<CellularClassifier>(classifier.release());
  });
}

// Cells x types.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cellular_probabilities(Rcpp::XPtr<canal::CellularClassifier> classifier, SEXP embedding,
                                int num_threads, SEXP progress) {
  const canal::FloatArray cells = glue::guarded([&] { return glue::float32_from_r(embedding); });
  const CellularClassifier& native = *classifier;
  canal::Control control;
  canal::FloatArray probabilities;
  glue::run_or_interrupt(control, progress, [&] {
    probabilities = native.probabilities(cells, num_threads, control);
  });
  return glue::matrix_to_r(probabilities);
}
