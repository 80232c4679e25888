// Adam with amsgrad, LibTorch's own, behind a header that does not draw in all of torch.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace canal {

class Optimiser {
 public:
  Optimiser(const std::vector<at::Tensor>& parameters, double weight_decay);
  ~Optimiser();

  void set_learning_rate(double learning_rate);
  // One step along these gradients, one per parameter.
  void step(const std::vector<at::Tensor>& gradients);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canal
