// Glue: how much attention the genes of a cell get.
#include "engine/importance.h"

#include "r_convert.h"
#include "r_glue.h"
#include "r_tokens.h"

namespace {

canal::AttentionMap map_named(const std::string& name) {
  if (name == "published") return canal::AttentionMap::published;
  if (name == "used") return canal::AttentionMap::used;
  throw canal::Error(canal::ErrorKind::input, "There is no attention map \"" + name + "\".");
}

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::AttentionReader> cpp_attention_reader(Rcpp::List weights, std::string device) {
  return glue::guarded([&] {
    std::unique_ptr<canal::AttentionReader> reader(
        new canal::AttentionReader(glue::weights_from_r(weights), device));
    return Rcpp::XPtr<canal::AttentionReader>(reader.release());
  });
}

// tokens: raw matrix, a cell per column. Returns shares, cells x N.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_attention_shares(Rcpp::XPtr<canal::AttentionReader> reader,
                                         Rcpp::RawMatrix tokens, std::string map, int num_threads,
                                         SEXP progress) {
  canal::AttentionMap wanted{};
  glue::guarded([&] { wanted = map_named(map); });
  const canal::TokenView view = glue::token_view(tokens);
  const canal::AttentionReader& native = *reader;
  canal::Control control;
  canal::FloatArray shares;
  glue::run_or_interrupt(control, progress,
                         [&] { shares = native.shares(view, wanted, num_threads, control); });
  return glue::matrix_to_r(shares);
}
