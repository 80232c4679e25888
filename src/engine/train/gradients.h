// Gradients as values, not as something that piles up inside the parameters: cells can then be
// differentiated side by side.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace canal {

// In the order of Learner::trainable().
using GradientList = std::vector<at::Tensor>;

void add_to(GradientList& total, GradientList part);

// d loss / d parameter for each; zeros where the loss does not depend on one.
std::vector<at::Tensor> gradients_of(const at::Tensor& loss,
                                     const std::vector<at::Tensor>& parameters);

}  // namespace canal
