// Linear layers in three ways.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "engine/kernels/kernel.h"

namespace canal {

// x: B x in; weight: out x in; bias: out. Returns B x out.
using Linear = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                                        const at::Tensor& bias)>;

// By LibTorch's operator, with gradients. Its BLAS adds up in an order that depends on the row that
// a cell stands in.
Linear linear_by_operator();

// Each cell by itself and in one order, its zeros (which relu makes half of) left out; without
// gradients. The operator where there is no tier.
Linear linear_by_cell(const Tier* tier);

// By a tier's products, with gradients, on one thread; for these weights, whose transposes it makes
// once. Other weights go by the operator.
Linear linear_by_kernel(const Tier& tier, const std::vector<at::Tensor>& weights);

// The same weight, out x in, kept input by input in memory, as linear_by_cell() reads it.
at::Tensor input_major(const at::Tensor& weight);

}  // namespace canal
