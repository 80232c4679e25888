// FAVOR+ attention of the Performer (METHODS section 2), as ordinary LibTorch operators: the tier
// that runs anywhere, differentiates itself, and is the oracle of every faster one.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>

#include "engine/control.h"
#include "engine/nn/parameters.h"

namespace canal {

// Over what the keys' one stabilising maximum is taken.
enum class Stabiliser {
  cell,  // the cell: its output does not depend on its batch
  batch  // the whole batch, as the published training has it
};

// Looks on at a cell's features in a layer. phi_q, phi_k: N x H x M, without the factor M^(-1/2).
using FeatureWatch = std::function<void(const at::Tensor& phi_q, const at::Tensor& phi_k)>;

struct Pass {
  Stabiliser stabiliser;
  const Control* control;
  // Products of bfloat16 numbers (summed in float32 by the device), all else in float32: fast on a
  // GPU, and on a CPU a slow oracle of the tiers that do the same.
  bool reduced = false;
  const FeatureWatch* watch = nullptr;  // called for every layer and cell
};

// x w^T + bias as the pass multiplies. x: B x n x inputs; w: outputs x inputs; bias may be
// undefined.
at::Tensor pass_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                       const Pass& pass);

// x: B x N x D, normed. Returns B x N x D, before the residual is added.
at::Tensor attention(const LayerParameters& layer, const at::Tensor& x, const Pass& pass);

}  // namespace canal
