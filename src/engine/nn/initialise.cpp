// Untrained weights, and the surgery that stages do on trained ones.
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "engine/errors.h"
#include "engine/nn/expression_start.h"
#include "engine/nn/parameters.h"
#include "engine/nn/random.h"

namespace canal {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

at::Tensor draw_table(const Shape& shape, double sd, at::Generator& generator) {
  return at::randn(shape, generator).mul_(sd);
}

// Inputs of the linear layer that `name` belongs to; a bias is drawn in its weight's range.
int64_t inputs_of(const std::string& name, const NetworkSizes& s) {
  if (contains(name, "0.fn.to_out")) return s.heads * s.head_width;
  if (contains(name, "fn.w2")) return s.ff_width;
  if (contains(name, "to_out.fc1")) return s.positions;
  if (contains(name, "to_out.fc2")) return s.fc1;
  if (contains(name, "to_out.fc3")) return s.fc2;
  return s.dim;
}

// Of the usual size at the start of a network that was never trained: the layers add this much to
// the tokens, so that what leaves the encoder is first of all the cell's own expression.
constexpr double residual_start = 0.1;

bool ends_a_residual_branch(const std::string& name) {
  return contains(name, "0.fn.to_out") || contains(name, "fn.w2");
}

at::Tensor draw_parameter(const std::string& name, const Shape& shape, const NetworkSizes& s,
                          const InitialisationOptions& options, at::Generator& generator) {
  if (ends_with(name, "norm.weight")) return at::ones(shape);
  if (ends_with(name, "norm.bias")) return at::zeros(shape);
  if (name == "token_emb.weight")
    return draw_expression_tokens(s.tokens, s.dim, options.token_sd, generator);
  if (name == "pos_emb.emb.weight") {
    at::Tensor table = draw_table(shape, options.position_sd, generator);
    table.select(0, s.positions - 1).zero_();
    return table;
  }
  if (ends_with(name, "projection_matrix"))
    return draw_projection(s.features, s.head_width, generator);
  at::Tensor linear = draw_linear(shape, inputs_of(name, s), generator);
  return ends_a_residual_branch(name) ? linear.mul_(residual_start) : linear;
}

// The head of a network that was never trained: its filter reads expression, and the layers before
// a relu start with He's variance and without a bias. fc3 makes logits and starts as any layer.
at::Tensor draw_expression_head(const std::string& name, const Shape& shape, const NetworkSizes& s,
                                const at::Tensor& filter, at::Generator& generator) {
  const bool is_bias = ends_with(name, "bias");
  if (contains(name, "to_out.conv1") && filter.defined())
    return is_bias ? at::zeros(shape) : filter.reshape(shape);
  if (contains(name, "to_out.fc1") || contains(name, "to_out.fc2"))
    return is_bias ? at::zeros(shape) : draw_before_relu(shape, inputs_of(name, s), generator);
  return draw_linear(shape, inputs_of(name, s), generator);
}

FloatArray& get(Weights& weights, const std::string& name) {
  return const_cast<FloatArray&>(*find(weights, name));
}

void append_rows(FloatArray& array, const at::Tensor& rows) {
  array = to_array(at::cat({to_tensor(array), rows}));
}

}  // namespace

Weights initial_weights(const NetworkSizes& sizes, const InitialisationOptions& options) {
  at::Generator generator = make_generator(options.seed);
  Parameters parameters;
  parameters.layers.resize(sizes.depth);
  visit_parameters(parameters, sizes,
                   [&](const std::string& name, at::Tensor& tensor, const Shape& shape) {
                     tensor = draw_parameter(name, shape, sizes, options, generator);
                   });
  return to_weights(parameters, sizes);
}

void add_classification_head(Weights& weights, int64_t fc1, int64_t fc2, int64_t types,
                             HeadStart start, uint64_t seed) {
  NetworkSizes s = sizes_of(weights);
  if (s.types > 0) throw Error(ErrorKind::sizes, "The network has a classification head already.");
  s.fc1 = fc1;
  s.fc2 = fc2;
  s.types = types;
  const auto is_pretraining_head = [](const auto& weight) {
    return weight.first == "to_out.weight" || weight.first == "to_out.bias";
  };
  weights.erase(std::remove_if(weights.begin(), weights.end(), is_pretraining_head), weights.end());
  at::Generator generator = make_generator(seed);
  const at::Tensor filter = expression_filter(to_tensor(*find(weights, "token_emb.weight")));  // D
  HeadParameters head;
  visit_head(head, s, [&](const std::string& name, at::Tensor&, const Shape& shape) {
    weights.emplace_back(name,
                         to_array(start == HeadStart::expression
                                      ? draw_expression_head(name, shape, s, filter, generator)
                                      : draw_linear(shape, inputs_of(name, s), generator)));
  });
}

void grow_types(Weights& weights, int64_t types, uint64_t seed) {
  const NetworkSizes s = sizes_of(weights);
  if (s.types == 0 || types < s.types)
    throw Error(ErrorKind::sizes, "A network of " + std::to_string(s.types) +
                                      " types cannot grow to " + std::to_string(types) + ".");
  if (types == s.types) return;
  at::Generator generator = make_generator(seed);
  const int64_t added = types - s.types;
  append_rows(get(weights, "to_out.fc3.weight"), draw_linear({added, s.fc2}, s.fc2, generator));
  append_rows(get(weights, "to_out.fc3.bias"), draw_linear({added}, s.fc2, generator));
}

void cut_positions(Weights& weights, const std::vector<int64_t>& genes0) {
  const NetworkSizes s = sizes_of(weights);
  if (s.types > 0)
    throw Error(ErrorKind::sizes, "The genes of a network with a classification head are fixed.");
  FloatArray& table = get(weights, "pos_emb.emb.weight");
  FloatArray cut{{static_cast<int64_t>(genes0.size()) + 1, s.dim}, {}};
  cut.values.reserve(cut.shape[0] * s.dim);
  auto keep_row = [&](int64_t row) {
    const auto first = table.values.begin() + row * s.dim;
    cut.values.insert(cut.values.end(), first, first + s.dim);
  };
  for (int64_t gene : genes0) {
    if (gene < 0 || gene >= s.positions - 1)
      throw Error(ErrorKind::sizes, "Gene " + std::to_string(gene) + " (from 0) is outside the " +
                                        std::to_string(s.positions - 1) + " of the network.");
    keep_row(gene);
  }
  keep_row(s.positions - 1);
  table = std::move(cut);
}

void grow_positions(Weights& weights, const FloatArray& rows) {
  const NetworkSizes s = sizes_of(weights);
  if (rows.shape.size() != 2 || rows.shape[1] != s.dim)
    throw Error(ErrorKind::sizes, "Rows to join the position table: expected a width of " +
                                      std::to_string(s.dim) + ", got " + shape_text(rows.shape) +
                                      ".");
  const int64_t last = s.positions - 1;
  const auto with_between = [last](FloatArray& array, const at::Tensor& added, int64_t dim) {
    const at::Tensor old = to_tensor(array);
    array = to_array(at::cat({old.narrow(dim, 0, last), added, old.narrow(dim, last, 1)}, dim));
  };
  with_between(get(weights, "pos_emb.emb.weight"), to_tensor(rows), 0);
  if (s.types > 0)
    with_between(get(weights, "to_out.fc1.weight"), at::zeros({s.fc1, rows.shape[0]}), 1);
}

void set_positions(Weights& weights, const FloatArray& table) {
  const NetworkSizes s = sizes_of(weights);
  const Shape expected{s.positions - 1, s.dim};
  if (table.shape != expected)
    throw Error(ErrorKind::sizes, "The position table: expected " + shape_text(expected) +
                                      " (genes x dim), got " + shape_text(table.shape) + ".");
  std::copy(table.values.begin(), table.values.end(),
            get(weights, "pos_emb.emb.weight").values.begin());
}

}  // namespace canal
