// Glue of R/prepare.R: counts come as a dgCMatrix of genes x cells, whose slots are read in place.
// Genes and cells are counted from 1 on R's side and from 0 on the engine's.
#include <Rcpp.h>

#include "engine/prepare.h"
#include "r_glue.h"
#include "r_sparse.h"

namespace {

// R's indices from 1; NA becomes -1.
std::vector<int64_t> from_zero(const Rcpp::IntegerVector& indices) {
  std::vector<int64_t> result;
  result.reserve(indices.size());
  for (const int index : indices) result.push_back(index == NA_INTEGER ? -1 : index - 1);
  return result;
}

canal::Alignment alignment_of(const Rcpp::IntegerVector& place, int vocabulary_size,
                              int scaling_genes = -1) {
  return {from_zero(place), vocabulary_size, scaling_genes};
}

canal::Flavour flavour_named(const std::string& name) {
  if (name == "seurat") return canal::Flavour::seurat;
  if (name == "cell_ranger") return canal::Flavour::cell_ranger;
  throw canal::Error(canal::ErrorKind::input, "There is no flavour \"" + name + "\".");
}

}  // namespace

// Places of values are counted from 1; NA where there is none.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_value_facts(Rcpp::NumericVector values, int num_threads) {
  const double* numbers = values.begin();
  const int64_t count = values.size();
  canal::Control control;
  canal::ValueFacts facts;
  glue::run_or_interrupt(control, R_NilValue,
                         [&] { facts = canal::value_facts(numbers, count, num_threads, control); });
  const auto place = [](int64_t at) { return at < 0 ? NA_REAL : static_cast<double>(at + 1); };
  return Rcpp::List::create(
      Rcpp::Named("stored") = static_cast<double>(count),
      Rcpp::Named("not_finite") = static_cast<double>(facts.not_finite),
      Rcpp::Named("first_not_finite") = place(facts.first_not_finite),
      Rcpp::Named("negative") = static_cast<double>(facts.negative),
      Rcpp::Named("first_negative") = place(facts.first_negative),
      Rcpp::Named("negative_whole") = facts.negative_whole, Rcpp::Named("whole") = facts.whole,
      Rcpp::Named("smallest") = facts.smallest, Rcpp::Named("largest") = facts.largest);
}

// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_detected_genes(Rcpp::S4 counts, Rcpp::IntegerVector place,
                                       int vocabulary_size, int num_threads) {
  const glue::SparseMatrix input(counts);
  const canal::Alignment alignment = alignment_of(place, vocabulary_size);
  canal::Control control;
  std::vector<int64_t> detected;
  glue::run_or_interrupt(control, R_NilValue, [&] {
    detected = canal::detected_genes(input.view(), alignment, num_threads, control);
  });
  return glue::vector_of<Rcpp::NumericVector>(detected);
}

// flavour: "seurat" or "cell_ranger".
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_gene_statistics(Rcpp::S4 counts, Rcpp::IntegerVector place, int vocabulary_size,
                               int scaling_genes, Rcpp::IntegerVector kept, double target_sum,
                               int num_threads, std::string flavour = "seurat") {
  const glue::SparseMatrix input(counts);
  const canal::Alignment alignment = alignment_of(place, vocabulary_size, scaling_genes);
  const std::vector<int64_t> cells = from_zero(kept);
  canal::Control control;
  canal::GeneStatistics result;
  const canal::Flavour how = glue::guarded([&] { return flavour_named(flavour); });
  glue::run_or_interrupt(control, R_NilValue, [&] {
    result = canal::gene_statistics(input.view(), alignment, cells, target_sum, num_threads,
                                    control, how);
  });
  return Rcpp::List::create(Rcpp::Named("mean") = result.mean,
                            Rcpp::Named("dispersion") = result.dispersion,
                            Rcpp::Named("dispersion_norm") = result.dispersion_norm);
}

// Takes what cpp_gene_statistics() returned; gives places in the vocabulary, counted from 1.
// [[Rcpp::export(rng = false)]]
Rcpp::IntegerVector cpp_variable_genes(Rcpp::List statistics, double n_genes) {
  canal::GeneStatistics input;
  input.dispersion_norm = Rcpp::as<std::vector<double>>(statistics["dispersion_norm"]);
  const auto chosen =
      glue::guarded([&] { return canal::variable_genes(input, static_cast<int64_t>(n_genes)); });
  return glue::vector_of<Rcpp::IntegerVector>(chosen) + 1;
}

// scaling_genes: of the vocabulary, the first so many, make a cell's total.
// Genes x cells, so that a cell's tokens lie together.
// [[Rcpp::export(rng = false)]]
Rcpp::RawMatrix cpp_tokens(Rcpp::S4 counts, Rcpp::IntegerVector place, int vocabulary_size,
                           int scaling_genes, Rcpp::IntegerVector kept, Rcpp::IntegerVector chosen,
                           double target_sum, int n_bins, int num_threads) {
  const glue::SparseMatrix input(counts);
  const canal::Alignment alignment = alignment_of(place, vocabulary_size, scaling_genes);
  const std::vector<int64_t> cells = from_zero(kept);
  const std::vector<int64_t> genes = from_zero(chosen);
  auto result = glue::new_matrix<Rcpp::RawMatrix>(static_cast<int>(chosen.size()),
                                                  static_cast<int>(kept.size()));
  uint8_t* out = RAW(result);  // asked for here: the worker must not touch R
  canal::Control control;
  glue::run_or_interrupt(control, R_NilValue, [&] {
    canal::tokens(input.view(), alignment, cells, genes, {target_sum, n_bins}, out, num_threads,
                  control);
  });
  return result;
}

// Vocabulary genes x cells, dense: for tests.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_normalised(Rcpp::S4 counts, Rcpp::IntegerVector place, int vocabulary_size,
                                   Rcpp::IntegerVector kept, double target_sum) {
  const glue::SparseMatrix input(counts);
  const auto values = glue::guarded([&] {
    return canal::normalised(input.view(), alignment_of(place, vocabulary_size), from_zero(kept),
                             target_sum);
  });
  auto matrix =
      glue::new_matrix<Rcpp::NumericMatrix>(vocabulary_size, static_cast<int>(kept.size()));
  std::copy(values.begin(), values.end(), matrix.begin());
  return matrix;
}
