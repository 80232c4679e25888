#include "engine/train/optimiser.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "engine/nn/operators.h"

namespace canal {

namespace {

// As in the paper, and in the published programs.
constexpr double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

std::vector<at::Tensor> zeros_like_all(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> zeros;
  for (const at::Tensor& parameter : parameters)
    zeros.push_back(at::zeros_like(parameter).detach());
  return zeros;
}

}  // namespace

Optimiser::Optimiser(std::vector<at::Tensor> parameters, bool amsgrad, double weight_decay)
    : parameters_(std::move(parameters)), amsgrad_(amsgrad), weight_decay_(weight_decay) {
  moments_.first = zeros_like_all(parameters_);
  moments_.second = zeros_like_all(parameters_);
  if (amsgrad_) moments_.largest = zeros_like_all(parameters_);
}

void Optimiser::step(const std::vector<at::Tensor>& gradients, double learning_rate) {
  const c10::NoGradGuard no_grad;
  const double steps = static_cast<double>(++moments_.steps);
  const double size = learning_rate / (1 - std::pow(beta1, steps));
  const double root = std::sqrt(1 - std::pow(beta2, steps));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& m = moments_.first[i];
    at::Tensor& v = moments_.second[i];
    at::Tensor gradient = gradients.at(i);
    if (weight_decay_ != 0) gradient = gradient + parameters_[i] * weight_decay_;
    m.mul_(beta1).add_(gradient, 1 - beta1);
    v.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    if (amsgrad_) moments_.largest[i] = at::maximum(moments_.largest[i], v);
    const at::Tensor& spread = amsgrad_ ? moments_.largest[i] : v;
    parameters_[i].addcdiv_(m, (spread.sqrt() / root).add_(eps), -size);
  }
}

}  // namespace canal
