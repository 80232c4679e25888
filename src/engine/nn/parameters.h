// The network's parameters as tensors, and the one table of their published names and shapes.
//
// Letters in every shape: B cells of a batch, N tokens of a cell, D width of the model, H heads,
// E width of a head, M random features, F inner width of the feed-forward part, T kinds of token,
// K cell types, W1 and W2 widths of the head's hidden layers.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "engine/array.h"
#include "engine/network.h"

namespace canal {

struct LayerParameters {
  at::Tensor norm1_weight, norm1_bias;  // D
  at::Tensor projection;                // M x E, fixed while not redrawn
  at::Tensor to_q, to_k, to_v;          // H*E x D
  at::Tensor to_out, to_out_bias;       // D x H*E, D
  at::Tensor norm2_weight, norm2_bias;  // D
  at::Tensor w1, b1;                    // F x D, F
  at::Tensor w2, b2;                    // D x F, D
};

struct HeadParameters {
  at::Tensor conv, conv_bias;  // 1 x 1 x 1 x D, 1
  at::Tensor fc1, fc1_bias;    // W1 x N, W1
  at::Tensor fc2, fc2_bias;    // W2 x W1, W2
  at::Tensor fc3, fc3_bias;    // K x W2, K
};

struct Parameters {
  at::Tensor token_emb;  // T x D
  at::Tensor pos_emb;    // N x D, the last row zeros
  std::vector<LayerParameters> layers;
  at::Tensor norm_weight, norm_bias;  // D
  at::Tensor mlm, mlm_bias;           // T x D, T; undefined without a pre-training head
  HeadParameters head;                // undefined without a classification head
};

using Shape = std::vector<int64_t>;

// Calls visit(name, tensor, shape) for every parameter of one layer.
template <class Layer, class Visit>
void visit_layer(Layer& layer, const std::string& prefix, const NetworkSizes& s, Visit&& visit) {
  const int64_t inner = s.heads * s.head_width;
  visit(prefix + "0.norm.weight", layer.norm1_weight, Shape{s.dim});
  visit(prefix + "0.norm.bias", layer.norm1_bias, Shape{s.dim});
  visit(prefix + "0.fn.fast_attention.projection_matrix", layer.projection,
        Shape{s.features, s.head_width});
  visit(prefix + "0.fn.to_q.weight", layer.to_q, Shape{inner, s.dim});
  visit(prefix + "0.fn.to_k.weight", layer.to_k, Shape{inner, s.dim});
  visit(prefix + "0.fn.to_v.weight", layer.to_v, Shape{inner, s.dim});
  visit(prefix + "0.fn.to_out.weight", layer.to_out, Shape{s.dim, inner});
  visit(prefix + "0.fn.to_out.bias", layer.to_out_bias, Shape{s.dim});
  visit(prefix + "1.norm.weight", layer.norm2_weight, Shape{s.dim});
  visit(prefix + "1.norm.bias", layer.norm2_bias, Shape{s.dim});
  visit(prefix + "1.fn.fn.w1.weight", layer.w1, Shape{s.ff_width, s.dim});
  visit(prefix + "1.fn.fn.w1.bias", layer.b1, Shape{s.ff_width});
  visit(prefix + "1.fn.fn.w2.weight", layer.w2, Shape{s.dim, s.ff_width});
  visit(prefix + "1.fn.fn.w2.bias", layer.b2, Shape{s.dim});
}

template <class Head, class Visit>
void visit_head(Head& head, const NetworkSizes& s, Visit&& visit) {
  visit("to_out.conv1.weight", head.conv, Shape{1, 1, 1, s.dim});
  visit("to_out.conv1.bias", head.conv_bias, Shape{1});
  visit("to_out.fc1.weight", head.fc1, Shape{s.fc1, s.positions});
  visit("to_out.fc1.bias", head.fc1_bias, Shape{s.fc1});
  visit("to_out.fc2.weight", head.fc2, Shape{s.fc2, s.fc1});
  visit("to_out.fc2.bias", head.fc2_bias, Shape{s.fc2});
  visit("to_out.fc3.weight", head.fc3, Shape{s.types, s.fc2});
  visit("to_out.fc3.bias", head.fc3_bias, Shape{s.types});
}

inline std::string layer_prefix(int64_t layer) {
  return "performer.net.layers." + std::to_string(layer) + ".";
}

// Calls visit(name, tensor, shape) for every parameter that `s` says there is, in checkpoint order.
template <class Params, class Visit>
void visit_parameters(Params& p, const NetworkSizes& s, Visit&& visit) {
  visit("token_emb.weight", p.token_emb, Shape{s.tokens, s.dim});
  visit("pos_emb.emb.weight", p.pos_emb, Shape{s.positions, s.dim});
  for (int64_t i = 0; i < s.depth; ++i) visit_layer(p.layers[i], layer_prefix(i), s, visit);
  visit("norm.weight", p.norm_weight, Shape{s.dim});
  visit("norm.bias", p.norm_bias, Shape{s.dim});
  if (s.mlm_head) {
    visit("to_out.weight", p.mlm, Shape{s.tokens, s.dim});
    visit("to_out.bias", p.mlm_bias, Shape{s.tokens});
  }
  if (s.types > 0) visit_head(p.head, s, visit);
}

// Tensors from arrays and back; a copy either way. The arrays are emptied on the way, so that all
// of them are not there twice. Throws ErrorKind::sizes for a missing array or one of another shape.
Parameters to_parameters(Weights weights, const NetworkSizes& sizes, const std::string& device);
Weights to_weights(const Parameters& parameters, const NetworkSizes& sizes);

// A weight of a known shape, and the shape of one that is a matrix. They throw ErrorKind::sizes
// where it is missing or otherwise.
const FloatArray& weight_of(const Weights& weights, const std::string& name, const Shape& shape);
Shape matrix_shape(const Weights& weights, const std::string& name);

at::Tensor to_tensor(const FloatArray& array);
FloatArray to_array(const at::Tensor& tensor);

// "91 x 40", for messages.
std::string shape_text(const Shape& shape);

}  // namespace canal
