// The Performer encoder (METHODS section 2).
#pragma once
#include <ATen/core/Tensor.h>

#include "engine/nn/attention.h"
#include "engine/nn/parameters.h"

namespace canal {

// tokens: B x N, int64. Returns token_emb[token] + pos_emb[position], B x N x D.
at::Tensor embed_tokens(const Parameters& parameters, const at::Tensor& tokens);
// Of tokens that lie at the positions from `first` on. tokens: B x n. Returns B x n x D.
at::Tensor embed_slice(const Parameters& parameters, const at::Tensor& tokens, int64_t first);

// The halves of a layer: x + Attn(LN(x)) and x + FF(LN(x)). x: B x N x D.
at::Tensor attend_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass);
at::Tensor feed_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass);

// One after the other. x: B x N x D.
at::Tensor run_layer(const LayerParameters& layer, const at::Tensor& x, const Pass& pass);

// Layers `first` to `last` - 1 in turn.
at::Tensor run_layers(const Parameters& parameters, at::Tensor x, int64_t first, int64_t last,
                      const Pass& pass);

// Final LN. x: B x N x D.
at::Tensor final_norm(const Parameters& parameters, const at::Tensor& x);

}  // namespace canal
