// Adam (Kingma and Ba 2015), with amsgrad (Reddi et al. 2018) where asked for. LibTorch has one,
// but keeps its moments under other keys in every version, and a stopped run needs them back.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/kernels/kernel.h"

namespace canal {

struct Moments {
  std::vector<at::Tensor> first, second, largest;  // shaped like the parameters; largest: amsgrad
  int64_t steps = 0;
};

class Optimiser {
 public:
  // fused: a tier's kernel for large parameters without amsgrad; null: LibTorch's operators, which
  // round elsewhere.
  Optimiser(std::vector<at::Tensor> parameters, bool amsgrad, double weight_decay,
            AdamStep fused = nullptr);

  // One step along these gradients, one per parameter.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

  const Moments& moments() const { return moments_; }
  void restore(const Moments& moments);

 private:
  std::vector<at::Tensor> parameters_;
  bool amsgrad_;
  double weight_decay_;
  AdamStep fused_;
  Moments moments_;
};

}  // namespace canal
