#include "engine/cellular/first_layer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <vector>

#include "engine/kernels/buffer.h"
#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

// Genes whose rows are finished while they are in the L2 cache.
constexpr int64_t genes_in_block = 64;

// The cells' values times the gain, and two rows of all genes behind them: the gain and the bias.
OwnedRows with_gain(const EncoderParameters& p, const SparseBatch& batch) {
  OwnedRows rows = batch.by_cell;
  const float* gain = p.norm_in.data_ptr<float>();
  for (size_t k = 0; k < rows.value.size(); ++k) rows.value[k] *= gain[rows.column[k]];
  for (const at::Tensor& dense : {p.norm_in, p.norm_in_bias}) {
    const float* value = dense.data_ptr<float>();
    for (int64_t gene = 0; gene < batch.genes; ++gene) {
      rows.column.push_back(static_cast<int32_t>(gene));
      rows.value.push_back(value[gene]);
    }
    rows.starts.push_back(static_cast<int64_t>(rows.value.size()));
  }
  return rows;
}

at::Tensor shifts(const SparseBatch& batch) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(batch.shift.size())}, at::kFloat);
  std::copy(batch.shift.begin(), batch.shift.end(), tensor.data_ptr<float>());
  return tensor;
}

}  // namespace

at::Tensor enter_sparse(const EncoderParameters& p, const SparseBatch& batch, const Tier& tier) {
  const c10::NoGradGuard no_grad;
  const int64_t cells = batch.by_cell.rows();
  const at::Tensor sums = times(with_gain(p, batch), p.linear1.detach().t(), tier);  // B + 2 x H1
  const at::Tensor entered = sums.narrow(0, 0, cells);
  on_one_thread([&] {
    entered.addr_(shifts(batch), sums.select(0, cells), 1, -1)
        .add_(sums.select(0, cells + 1) + p.linear1_bias);
  });
  return entered;
}

GradientList enter_sparse_backward(const EncoderParameters& p, const SparseBatch& batch,
                                   const at::Tensor& gradient, const Tier& tier,
                                   const at::Tensor& room) {
  const c10::NoGradGuard no_grad;
  const OwnedRows rows = transposed(batch.by_cell, batch.genes);
  const at::Tensor dy = gradient.contiguous();        // B x H1
  const at::Tensor weights = p.linear1.detach().t();  // G x H1
  at::Tensor sum, shifted;                            // H1
  on_one_thread([&] {
    sum = dy.sum(0);
    shifted = at::matmul(shifts(batch), dy);
  });
  const int64_t width = dy.size(1), strips = strips_of(width);
  Buffer<float> packed(strips * dy.size(0) * sparse_strip_width);
  const auto packed_at = [&](int64_t i) {
    return packed.data() + i * dy.size(0) * sparse_strip_width;
  };
  for_each_cell(strips, Gradients::off,
                [&](int64_t i) { pack(dy, strip_at(i, width), packed_at(i)); });
  const at::Tensor dgain = at::empty({batch.genes}, at::kFloat);
  const at::Tensor dbias = at::empty({batch.genes}, at::kFloat);
  const int64_t blocks = (batch.genes + genes_in_block - 1) / genes_in_block;
  for_each_cell(blocks, Gradients::off, [&](int64_t block) {
    const int64_t first = block * genes_in_block;
    const int64_t count = std::min(genes_in_block, batch.genes - first);
    for (int64_t i = 0; i < strips; ++i) {
      const Strip strip = strip_at(i, width);
      tier.sparse(rows.view(), first, first + count, {packed_at(i), sparse_strip_width},
                  strip.width, {room.data_ptr<float>() + strip.first, width});
    }
    const auto from = [first](const at::Tensor& of_genes) {
      return of_genes.data_ptr<float>() + first * of_genes.stride(0);
    };
    tier.norm_linear({from(weights), from(room), shifted.data_ptr<float>(), sum.data_ptr<float>(),
                      from(p.norm_in), from(p.norm_in_bias), from(dgain), from(dbias)},
                     count, width);
  });
  return {dgain, dbias, room.t(), sum};
}

}  // namespace canal
