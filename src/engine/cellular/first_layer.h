// The encoder's first norm and linear layer on sparse cells, forward and backward by hand: of the
// 2,000 genes of a cell some 200 are not 0, and this layer has four fifths of all weights.
// LibTorch's operators (enter_encoder) are the oracle.
//
// With x^ = (x - mean) / sd = v - m, where v is sparse and m one number for a cell, gain g, bias b:
//   y_i = sum_j v_ij g_j W_j - m_i (sum_j g_j W_j) + sum_j b_j W_j + c,  W_j gene j's H1 weights;
// and back, with G_j = sum_i x^_ij dy_i = sum_i v_ij dy_i - sum_i m_i dy_i, s = sum_i dy_i:
//   dW_j = g_j G_j + b_j s,  dg_j = W_j . G_j,  db_j = W_j . s,  dc = s.
// So W is kept gene by gene, G x H1, under its published name and shape H1 x G.
#pragma once
#include <ATen/core/Tensor.h>

#include "engine/cellular/encoder.h"
#include "engine/cellular/sparse_batch.h"
#include "engine/train/gradients.h"

namespace canal {

// Returns B x H1, without gradients.
at::Tensor enter_sparse(const EncoderParameters& p, const SparseBatch& batch, const Tier& tier);

// From the gradient of what it returned, B x H1, to those of the norm's gain and bias, of W and of
// c, in this order. room: G x H1, becomes that of W; so large that a new one in every step would be
// felt.
GradientList enter_sparse_backward(const EncoderParameters& p, const SparseBatch& batch,
                                   const at::Tensor& gradient, const Tier& tier,
                                   const at::Tensor& room);

}  // namespace canal
