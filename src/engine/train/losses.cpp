#include "engine/train/losses.h"

#include <ATen/ops/log_softmax.h>

#include "engine/nn/operators.h"

namespace canal {

at::Tensor smoothed_cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                                  double smoothing) {
  const at::Tensor log_p = at::log_softmax(logits, 1);                     // B x K
  const at::Tensor own = log_p.gather(1, labels.unsqueeze(1)).squeeze(1);  // B
  return own * -(1 - smoothing) - log_p.mean(1) * smoothing;
}

at::Tensor embedding_drift(const at::Tensor& embedding, const at::Tensor& old_embedding) {
  return (embedding - old_embedding).square().mean(1);
}

}  // namespace canal
