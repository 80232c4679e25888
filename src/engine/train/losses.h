// The losses of stage training (METHODS section 4).
#pragma once
#include <ATen/core/Tensor.h>

namespace canal {

// Cross-entropy against (1 - smoothing) onehot + smoothing / K, a value per cell.
// logits: B x K; labels: B, int64. Returns B.
at::Tensor smoothed_cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                                  double smoothing);

// Mean squared difference of each cell's embedding from the old model's. Both B x W2. Returns B.
at::Tensor embedding_drift(const at::Tensor& embedding, const at::Tensor& old_embedding);

}  // namespace canal
