#include "engine/train/gradients.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace canal {

void add_to(GradientList& total, GradientList part) {
  if (total.empty()) {
    total = std::move(part);
    return;
  }
  for (size_t g = 0; g < total.size(); ++g) total[g].add_(part[g]);
}

std::vector<at::Tensor> gradients_of(const at::Tensor& loss,
                                     const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> gradients =
      torch::autograd::grad({loss}, parameters, /*grad_outputs=*/{}, /*retain_graph=*/c10::nullopt,
                            /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < gradients.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(parameters[i]);
  return gradients;
}

}  // namespace canal
