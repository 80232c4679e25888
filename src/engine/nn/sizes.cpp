// Reading a network's sizes from the shapes of its weights.
#include "engine/errors.h"
#include "engine/network.h"
#include "engine/nn/parameters.h"

namespace canal {

namespace {

const Shape& shape_of(const Weights& weights, const std::string& name, size_t dimensions) {
  const FloatArray* array = find(weights, name);
  if (array == nullptr)
    throw Error(ErrorKind::sizes,
                "The weights lack `" + name + "`: this is no checkpoint of scBERT or CANAL.");
  if (array->shape.size() != dimensions)
    throw Error(ErrorKind::sizes, "`" + name + "`: expected " + std::to_string(dimensions) +
                                      " dimensions, got " + shape_text(array->shape) + ".");
  return array->shape;
}

int64_t count_layers(const Weights& weights) {
  int64_t depth = 0;
  while (find(weights, layer_prefix(depth) + "0.fn.to_q.weight") != nullptr) ++depth;
  if (depth == 0) throw Error(ErrorKind::sizes, "The weights hold no Performer layer.");
  return depth;
}

int64_t whole_heads(int64_t inner, int64_t head_width) {
  if (head_width == 0 || inner == 0 || inner % head_width != 0)
    throw Error(ErrorKind::sizes, "The attention's width " + std::to_string(inner) +
                                      " is no multiple of a head's width " +
                                      std::to_string(head_width) + ".");
  return inner / head_width;
}

void read_head(const Weights& weights, NetworkSizes& s) {
  s.mlm_head = find(weights, "to_out.weight") != nullptr;
  if (find(weights, "to_out.fc1.weight") == nullptr) return;
  s.fc1 = shape_of(weights, "to_out.fc1.weight", 2)[0];
  s.fc2 = shape_of(weights, "to_out.fc2.weight", 2)[0];
  s.types = shape_of(weights, "to_out.fc3.weight", 2)[0];
}

// An empty parameter set stands in for tensors, so that the name table is walked without any.
void check_shapes(const Weights& weights, const NetworkSizes& s) {
  Parameters none;
  none.layers.resize(s.depth);
  visit_parameters(none, s, [&](const std::string& name, at::Tensor&, const Shape& expected) {
    const Shape& got = shape_of(weights, name, expected.size());
    if (got != expected)
      throw Error(ErrorKind::sizes, "`" + name + "`: expected " + shape_text(expected) +
                                        " to fit the other weights, got " + shape_text(got) + ".");
  });
}

}  // namespace

NetworkSizes sizes_of(const Weights& weights) {
  NetworkSizes s{};
  const std::string first = layer_prefix(0);
  const Shape& table = shape_of(weights, "token_emb.weight", 2);
  const Shape& projection = shape_of(weights, first + "0.fn.fast_attention.projection_matrix", 2);
  s.tokens = table[0];
  s.dim = table[1];
  s.positions = shape_of(weights, "pos_emb.emb.weight", 2)[0];
  s.depth = count_layers(weights);
  s.features = projection[0];
  s.head_width = projection[1];
  s.heads = whole_heads(shape_of(weights, first + "0.fn.to_q.weight", 2)[0], s.head_width);
  s.ff_width = shape_of(weights, first + "1.fn.fn.w1.weight", 2)[0];
  read_head(weights, s);
  check_shapes(weights, s);
  return s;
}

}  // namespace canal
