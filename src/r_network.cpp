// Glue: the network, its weights and its raw outputs.
#include "engine/network.h"

#include "engine/runtime.h"
#include "r_compute.h"
#include "r_convert.h"
#include "r_glue.h"
#include "r_tokens.h"

using canal::Network;

namespace {

canal::Output output_named(const std::string& name) {
  if (name == "encodings") return canal::Output::encodings;
  if (name == "mlm") return canal::Output::mlm;
  if (name == "manifold") return canal::Output::manifold;
  if (name == "embedding") return canal::Output::embedding;
  if (name == "logits") return canal::Output::logits;
  throw canal::Error(canal::ErrorKind::input, "There is no output \"" + name + "\".");
}

canal::NetworkSizes sizes_from_r(Rcpp::List s) {
  auto number = [&](const char* name) { return static_cast<int64_t>(Rcpp::as<double>(s[name])); };
  return {number("tokens"),   number("positions"), number("dim"),
          number("depth"),    number("heads"),     number("head_width"),
          number("features"), number("ff_width"),  number("fc1"),
          number("fc2"),      number("types"),     Rcpp::as<bool>(s["mlm_head"])};
}

Rcpp::List sizes_to_r(const canal::NetworkSizes& s) {
  auto number = [](int64_t value) { return static_cast<double>(value); };
  return Rcpp::List::create(
      Rcpp::_["tokens"] = number(s.tokens), Rcpp::_["positions"] = number(s.positions),
      Rcpp::_["dim"] = number(s.dim), Rcpp::_["depth"] = number(s.depth),
      Rcpp::_["heads"] = number(s.heads), Rcpp::_["head_width"] = number(s.head_width),
      Rcpp::_["features"] = number(s.features), Rcpp::_["ff_width"] = number(s.ff_width),
      Rcpp::_["fc1"] = number(s.fc1), Rcpp::_["fc2"] = number(s.fc2),
      Rcpp::_["types"] = number(s.types), Rcpp::_["mlm_head"] = s.mlm_head);
}

uint64_t seed_from_r(double seed) { return static_cast<uint64_t>(seed); }

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_sizes(Rcpp::List weights) {
  return glue::guarded(
      [&] { return sizes_to_r(canal::sizes_of(glue::weight_shapes_from_r(weights))); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_initial_weights(Rcpp::List sizes, double token_sd, double position_sd, double seed) {
  return glue::guarded([&] {
    return glue::weights_to_r(
        canal::initial_weights(sizes_from_r(sizes), {token_sd, position_sd, seed_from_r(seed)}));
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_add_head(Rcpp::List weights, double fc1, double fc2, double types, bool pretrained,
                        double seed) {
  return glue::guarded([&] {
    canal::Weights grown = glue::weights_from_r(weights);
    canal::add_classification_head(
        grown, static_cast<int64_t>(fc1), static_cast<int64_t>(fc2), static_cast<int64_t>(types),
        pretrained ? canal::HeadStart::uniform : canal::HeadStart::expression, seed_from_r(seed));
    return glue::weights_to_r(grown);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_grow_types(Rcpp::List weights, double types, double seed) {
  return glue::guarded([&] {
    canal::Weights grown = glue::weights_from_r(weights);
    canal::grow_types(grown, static_cast<int64_t>(types), seed_from_r(seed));
    return glue::weights_to_r(grown);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_cut_positions(Rcpp::List weights, Rcpp::IntegerVector genes0) {
  return glue::guarded([&] {
    canal::Weights cut = glue::weights_from_r(weights);
    canal::cut_positions(cut, std::vector<int64_t>(genes0.begin(), genes0.end()));
    return glue::weights_to_r(cut);
  });
}

// rows: genes to add x D.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_grow_positions(Rcpp::List weights, Rcpp::NumericMatrix rows) {
  return glue::guarded([&] {
    canal::Weights grown = glue::weights_from_r(weights);
    canal::grow_positions(grown, glue::float32_from_r(rows));
    return glue::weights_to_r(grown);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_set_positions(Rcpp::List weights, Rcpp::NumericMatrix table) {
  return glue::guarded([&] {
    canal::Weights changed = glue::weights_from_r(weights);
    canal::set_positions(changed, glue::float32_from_r(table));
    return glue::weights_to_r(changed);
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::XPtr<canal::Network> cpp_network(Rcpp::List weights, Rcpp::List compute) {
  return glue::guarded([&] {
    std::unique_ptr<Network> network(
        new Network(glue::weights_from_r(weights), glue::compute_from_r(compute)));
    canal::return_freed_memory();
    return Rcpp::XPtr<Network>(network.release());
  });
}

// One weight as an ordinary numeric array.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector cpp_weight_array(Rcpp::RawVector weight) {
  return glue::guarded([&] { return glue::array_to_r(glue::float32_from_r(weight)); });
}

// A pointer that came out of a file or another process is empty.
// [[Rcpp::export(rng = false)]]
bool cpp_is_live(SEXP pointer) {
  return TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrAddr(pointer) != nullptr;
}

// tokens: raw matrix, a cell per column. Returns an array per output, cells first.
// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_forward(Rcpp::XPtr<canal::Network> network, Rcpp::RawMatrix tokens,
                       std::vector<std::string> outputs, int num_threads, SEXP progress) {
  canal::ForwardOptions options{{}, num_threads};
  glue::guarded([&] {
    for (const std::string& name : outputs) options.outputs.push_back(output_named(name));
  });
  const canal::TokenView view = glue::token_view(tokens);
  const Network& native = *network;
  canal::Control control;
  std::vector<canal::FloatArray> arrays;
  glue::run_or_interrupt(control, progress,
                         [&] { arrays = native.forward(view, options, control); });
  Rcpp::List result(arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i) result[i] = glue::array_to_r(arrays[i]);
  result.names() = Rcpp::wrap(outputs);
  return result;
}
