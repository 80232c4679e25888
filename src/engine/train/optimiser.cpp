#include "engine/train/optimiser.h"

#include <torch/optim/adam.h>

namespace canal {

struct Optimiser::Impl {
  torch::optim::Adam adam;
};

namespace {

// betas .9 and .999 and eps 1e-8 are LibTorch's defaults and METHODS'. The learning rate is set
// before every epoch.
torch::optim::AdamOptions adam_options(double weight_decay) {
  return torch::optim::AdamOptions(0).amsgrad(true).weight_decay(weight_decay);
}

}  // namespace

Optimiser::Optimiser(const std::vector<at::Tensor>& parameters, double weight_decay)
    : impl_(new Impl{torch::optim::Adam(parameters, adam_options(weight_decay))}) {}
Optimiser::~Optimiser() = default;

void Optimiser::set_learning_rate(double learning_rate) {
  for (auto& group : impl_->adam.param_groups())
    static_cast<torch::optim::AdamOptions&>(group.options()).lr(learning_rate);
}

void Optimiser::step(const std::vector<at::Tensor>& gradients) {
  auto& parameters = impl_->adam.param_groups().at(0).params();
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_grad() = gradients.at(i);
  impl_->adam.step();
}

}  // namespace canal
