// The heads on top of the encoder (METHODS section 2).
#pragma once
#include <ATen/core/Tensor.h>

#include "engine/nn/parameters.h"

namespace canal {

struct Classified {
  at::Tensor manifold;   // B x W1
  at::Tensor embedding;  // B x W2
  at::Tensor logits;     // B x K
};

// encodings: B x N x D, after the final norm.
Classified classify(const HeadParameters& head, const at::Tensor& encodings);

// classify() in two steps: a number per token from encodings (B x N x D), B x N, and what follows.
at::Tensor token_scalars(const HeadParameters& head, const at::Tensor& encodings);
Classified classify_scalars(const HeadParameters& head, const at::Tensor& scalars);

// fc2, relu, fc3 on manifolds: B x W1.
Classified classify_from_manifold(const HeadParameters& head, const at::Tensor& manifold);

// The pre-training head. Returns B x N x T.
at::Tensor masked_token_logits(const Parameters& parameters, const at::Tensor& encodings);

}  // namespace canal
