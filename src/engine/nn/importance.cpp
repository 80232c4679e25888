#include "engine/nn/importance.h"

#include <ATen/ops/mv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <vector>

#include "engine/nn/batch.h"
#include "engine/nn/encoder.h"
#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"

namespace canal {

namespace {

// Column sums of a head's attention map, an N x N product of rank M that is never made:
//   sum_n phi_q[n] . phi_k[j] / norm[n] = phi_k[j] . (sum_n phi_q[n] / norm[n]).
// Every feature is positive, so that the published absolute value changes nothing. q, k: N x M.
at::Tensor column_sums(const at::Tensor& q, const at::Tensor& k) {
  const at::Tensor norm = at::mv(q, k.sum(0));                 // N
  const at::Tensor weight = at::mv(q.t(), norm.reciprocal());  // M
  return at::mv(k, weight);
}

}  // namespace

at::Tensor attention_share(const Parameters& parameters, const at::Tensor& tokens, AttentionMap map,
                           const Control& control) {
  at::Tensor sums = at::zeros({tokens.size(1)}, parameters.token_emb.options());
  const FeatureWatch add = [&](const at::Tensor& phi_q, const at::Tensor& phi_k) {
    for (int64_t h = 0; h < phi_q.size(1); ++h)
      sums += column_sums(phi_q.select(1, h), phi_k.select(1, h));
  };
  const Pass plain{Stabiliser::cell, &control};
  const Pass watched{Stabiliser::cell, &control, /*reduced=*/false, &add};
  at::Tensor x = embed_tokens(parameters, tokens);  // 1 x N x D
  for (const LayerParameters& layer : parameters.layers) {
    x = attend_layer(layer, x, map == AttentionMap::used ? watched : plain);
    if (map == AttentionMap::published) attend_layer(layer, x, watched);
    x = feed_layer(layer, x, plain);
  }
  return sums / sums.sum();
}

struct AttentionReader::Impl {
  NetworkSizes sizes;
  Parameters parameters;
};

AttentionReader::AttentionReader(Weights weights, const std::string& device) : impl_(new Impl) {
  impl_->sizes = sizes_of(weights);
  impl_->parameters = to_parameters(std::move(weights), impl_->sizes, device);
}
AttentionReader::~AttentionReader() = default;
AttentionReader::AttentionReader(AttentionReader&&) noexcept = default;
AttentionReader& AttentionReader::operator=(AttentionReader&&) noexcept = default;

FloatArray AttentionReader::shares(const TokenView& tokens, AttentionMap map, int num_threads,
                                   Control& control) const {
  const Parameters& p = impl_->parameters;
  const ThreadScope threads(num_threads);
  control.total = tokens.cells;
  std::vector<at::Tensor> rows(tokens.cells);
  for_each_cell(tokens.cells, Gradients::off, [&](int64_t cell) {
    const at::Tensor one = token_batch(tokens, {cell}, impl_->sizes.positions, impl_->sizes.tokens);
    rows[cell] = attention_share(p, one.to(p.token_emb.device()), map, control);
    ++control.done;
  });
  if (rows.empty()) return {{0, impl_->sizes.positions}, {}};
  return to_array(at::stack(rows));
}

}  // namespace canal
