#include "engine/nn/attention.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>

#include <cmath>

#include "engine/nn/operators.h"

namespace canal {

namespace {

constexpr double feature_floor = 1e-4;  // keeps every feature positive

// c^2 |x|^2 / 2 per token and head. x: R x E, returns R x 1.
at::Tensor half_norm(const at::Tensor& x, double scale) {
  return x.square().sum(-1, /*keepdim=*/true) * (0.5 * scale * scale);
}

// exp(shifted) + floor. The formula's factor M^(-1/2) is in numerator and denominator alike.
at::Tensor positive(const at::Tensor& shifted) { return shifted.exp() + feature_floor; }

double head_scale(const LayerParameters& layer) {
  return std::pow(static_cast<double>(layer.projection.size(1)), -0.25);
}

// a b as the pass multiplies.
at::Tensor pass_mm(const at::Tensor& a, const at::Tensor& b, const Pass& pass) {
  if (!pass.reduced) return at::mm(a, b);
  return at::mm(a.to(at::kBFloat16), b.to(at::kBFloat16)).to(at::kFloat);
}

// P c x for all tokens and heads. x: R x E, returns R x M.
at::Tensor project(const LayerParameters& layer, const at::Tensor& x, double scale,
                   const Pass& pass) {
  return pass_mm(x, (layer.projection * scale).t(), pass);
}

// q: R x E (R = N*H rows of a cell). The maximum is each token's own.
at::Tensor query_features(const LayerParameters& layer, const at::Tensor& q, const Pass& pass) {
  const double scale = head_scale(layer);
  const at::Tensor projected = project(layer, q, scale, pass);              // R x M
  const at::Tensor top = std::get<0>(projected.max(-1, /*keepdim=*/true));  // R x 1
  return positive(projected - (half_norm(q, scale) + top));
}

// k: R x E, projected: R x M, top: the cell's (or batch's) maximum, a scalar.
at::Tensor key_features(const at::Tensor& k, const at::Tensor& projected, const at::Tensor& top,
                        double scale) {
  return positive(projected - (half_norm(k, scale) + top));
}

// A head's output. q, k: N x M; v: N x E; norm: N x 1. Returns N x E.
at::Tensor attend_head(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const at::Tensor& norm, const Pass& pass) {
  if (!pass.reduced) return at::mm(q, at::mm(k.t(), v)) / norm;
  // The same with the mean of v taken out first: what numerator and denominator share would drown
  // the rest where numbers are rounded, and with it the gradient of queries and keys.
  const at::Tensor mean = v.mean(0, /*keepdim=*/true);        // 1 x E
  const at::Tensor context = pass_mm(k.t(), v - mean, pass);  // M x E
  return mean + pass_mm(q, context, pass) / norm;
}

// One cell. phi_q, phi_k: N x H x M; v: N x H x E. Returns N x H*E.
//   out = phi_q (phi_k^T v) / (phi_q . sum_n phi_k), head by head: a strided product reads its head
//   in place, where a batched one would copy and is slower in float32.
at::Tensor attend(const at::Tensor& phi_q, const at::Tensor& phi_k, const at::Tensor& v,
                  const Pass& pass) {
  const int64_t heads = v.size(1);
  std::vector<at::Tensor> out;
  out.reserve(heads);
  for (int64_t h = 0; h < heads; ++h) {
    pass.control->check();
    const at::Tensor q = phi_q.select(1, h), k = phi_k.select(1, h);  // N x M
    const at::Tensor norm = at::matmul(q, k.sum(0)).unsqueeze(-1);    // N x 1
    out.push_back(attend_head(q, k, v.select(1, h), norm, pass));     // N x E
  }
  return at::stack(out, 1).flatten(1);
}

}  // namespace

at::Tensor pass_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                       const Pass& pass) {
  if (!pass.reduced) return bias.defined() ? at::linear(x, w, bias) : at::linear(x, w);
  const at::Tensor y = at::linear(x.to(at::kBFloat16), w.to(at::kBFloat16)).to(at::kFloat);
  return bias.defined() ? y + bias : y;
}

at::Tensor attention(const LayerParameters& layer, const at::Tensor& x, const Pass& pass) {
  const int64_t cells = x.size(0), tokens = x.size(1), width = layer.projection.size(1);
  const int64_t heads = layer.to_q.size(0) / width, features = layer.projection.size(0);
  const double scale = head_scale(layer);
  const at::Tensor q = pass_linear(x, layer.to_q, {}, pass);  // B x N x H*E
  const at::Tensor k = pass_linear(x, layer.to_k, {}, pass);
  const at::Tensor v = pass_linear(x, layer.to_v, {}, pass);

  std::vector<at::Tensor> projected;  // each N*H x M
  for (int64_t b = 0; b < cells; ++b) {
    pass.control->check();
    projected.push_back(project(layer, k[b].reshape({tokens * heads, width}), scale, pass));
  }
  at::Tensor batch_top;
  if (pass.stabiliser == Stabiliser::batch) batch_top = at::stack(projected).max();

  std::vector<at::Tensor> out;  // each N x H*E
  for (int64_t b = 0; b < cells; ++b) {
    const at::Tensor rows = k[b].reshape({tokens * heads, width});
    const at::Tensor top = batch_top.defined() ? batch_top : projected[b].max();
    const at::Tensor phi_k =
        key_features(rows, projected[b], top, scale).view({tokens, heads, features});
    const at::Tensor phi_q =
        query_features(layer, q[b].reshape({tokens * heads, width}), pass).view(phi_k.sizes());
    if (pass.watch != nullptr) (*pass.watch)(phi_q, phi_k);
    out.push_back(attend(phi_q, phi_k, v[b].view({tokens, heads, width}), pass));
  }
  return pass_linear(at::stack(out), layer.to_out, layer.to_out_bias, pass);
}

}  // namespace canal
