// Glue: the example bank and the novelty score.
#include "engine/bank.h"
#include "engine/novelty.h"
#include "r_convert.h"
#include "r_glue.h"

// embedding: cells x W; prototypes: types x W; type0: per cell, from 0.
// [[Rcpp::export(rng = false)]]
Rcpp::IntegerVector cpp_prototype_ranks(Rcpp::NumericMatrix embedding,
                                        Rcpp::NumericMatrix prototypes, std::vector<int> type0) {
  return glue::guarded([&] {
    return Rcpp::IntegerVector(Rcpp::wrap(canal::prototype_ranks(
        glue::float32_from_r(embedding), glue::float32_from_r(prototypes), type0)));
  });
}

// Returns the places of the entries that stay, from 1.
// [[Rcpp::export(rng = false)]]
Rcpp::IntegerVector cpp_trim_bank(Rcpp::IntegerVector type0, Rcpp::IntegerVector rank,
                                  Rcpp::IntegerVector stage, double size, double types) {
  std::vector<canal::BankEntry> entries;
  for (R_xlen_t i = 0; i < type0.size(); ++i) entries.push_back({type0[i], rank[i], stage[i]});
  return glue::guarded([&] {
    const auto kept =
        canal::trim_bank(entries, static_cast<int64_t>(size), static_cast<int64_t>(types));
    Rcpp::IntegerVector places(kept.begin(), kept.end());
    return Rcpp::IntegerVector(places + 1);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_draw_mixing(double cells, double width, double seed) {
  return glue::guarded([&] {
    const canal::MixingDraws draws = canal::draw_mixing(
        static_cast<int64_t>(cells), static_cast<int64_t>(width), static_cast<uint64_t>(seed));
    return Rcpp::List::create(Rcpp::_["partner0"] = Rcpp::wrap(draws.partner),
                              Rcpp::_["weight"] = glue::matrix_to_r(draws.weight));
  });
}

// logits: cells x types; manifold and weight: cells x fc1; partner0: per cell, from 0.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_novelty(Rcpp::XPtr<canal::Network> network, Rcpp::NumericMatrix logits,
                       Rcpp::NumericMatrix manifold, std::vector<int> partner0,
                       Rcpp::NumericMatrix weight, double temperature) {
  return glue::guarded([&] {
    const canal::Novelty n =
        canal::novelty(*network, glue::float32_from_r(logits), glue::float32_from_r(manifold),
                       {partner0, glue::float32_from_r(weight)}, temperature);
    return Rcpp::List::create(
        Rcpp::_["energy"] = n.energy, Rcpp::_["energy_scaled"] = n.energy_scaled,
        Rcpp::_["confidence"] = n.confidence, Rcpp::_["score"] = n.score,
        Rcpp::_["energy_mixed"] = n.energy_mixed, Rcpp::_["confidence_mixed"] = n.confidence_mixed,
        Rcpp::_["mixed_logits"] = glue::matrix_to_r(n.mixed_logits),
        Rcpp::_["threshold"] = n.threshold);
  });
}
