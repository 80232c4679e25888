#include "engine/nn/encoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>

#include "engine/nn/operators.h"
#include "engine/runtime.h"

namespace canal {

namespace {

constexpr double norm_eps = 1e-5;

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, norm_eps);
}

// gelu with erf. x: B x N x F. LibTorch hands it to oneDNN, forwards and backwards, which writes
// code for it and ends the process where it gets no memory for that. What does not lie in one
// piece, as here for gradients, LibTorch computes by itself, in more time.
at::Tensor exact_gelu(const at::Tensor& x) {
  if (at::GradMode::is_enabled()) return at::gelu(x.transpose(1, 2)).transpose(1, 2);
  require_memory(size_t{64} << 20);
  return at::gelu(x);
}

// W2 gelu(W1 x). x: B x N x D.
at::Tensor feed_forward(const LayerParameters& layer, const at::Tensor& x, const Pass& pass) {
  const at::Tensor hidden = exact_gelu(pass_linear(x, layer.w1, layer.b1, pass));  // B x N x F
  return pass_linear(hidden, layer.w2, layer.b2, pass);
}

}  // namespace

at::Tensor embed_slice(const Parameters& parameters, const at::Tensor& tokens, int64_t first) {
  return at::embedding(parameters.token_emb, tokens) +
         parameters.pos_emb.narrow(0, first, tokens.size(1));
}

at::Tensor embed_tokens(const Parameters& parameters, const at::Tensor& tokens) {
  return embed_slice(parameters, tokens, 0);
}

at::Tensor attend_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass) {
  return x + attention(layer, norm(x, layer.norm1_weight, layer.norm1_bias), pass);
}

at::Tensor feed_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass) {
  return x + feed_forward(layer, norm(x, layer.norm2_weight, layer.norm2_bias), pass);
}

at::Tensor run_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass) {
  const at::Tensor y = attend_layer(layer, x, pass);
  pass.control->check();
  return feed_layer(layer, y, pass);
}

at::Tensor run_layers(const Parameters& parameters, at::Tensor x, int64_t first, int64_t last,
                      const Pass& pass) {
  for (int64_t i = first; i < last; ++i) x = run_layer(parameters.layers[i], x, pass);
  return x;
}

at::Tensor final_norm(const Parameters& parameters, const at::Tensor& x) {
  return norm(x, parameters.norm_weight, parameters.norm_bias);
}

}  // namespace canal
