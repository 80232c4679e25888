#include "engine/train/optimiser.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

// As in the paper, and in the published programs.
constexpr double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

std::vector<at::Tensor> zeros_like_all(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> zeros;
  zeros.reserve(parameters.size());
  for (const at::Tensor& parameter : parameters)
    zeros.push_back(at::zeros_like(parameter).detach());
  return zeros;
}

}  // namespace

Optimiser::Optimiser(std::vector<at::Tensor> parameters, bool amsgrad, double weight_decay,
                     AdamStep fused)
    : parameters_(std::move(parameters)),
      amsgrad_(amsgrad),
      weight_decay_(weight_decay),
      fused_(fused) {
  moments_.first = zeros_like_all(parameters_);
  moments_.second = zeros_like_all(parameters_);
  if (amsgrad_) moments_.largest = zeros_like_all(parameters_);
}

// Into those there are, as these lie in memory as their parameters do.
void Optimiser::restore(const Moments& moments) {
  const c10::NoGradGuard no_grad;
  const auto copy = [](std::vector<at::Tensor>& to, const std::vector<at::Tensor>& from) {
    for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from.at(i));
  };
  copy(moments_.first, moments.first);
  copy(moments_.second, moments.second);
  copy(moments_.largest, moments.largest);
  moments_.steps = moments.steps;
}

namespace {

// So many numbers of a parameter, its gradient and its moments stay in a core's own cache from one
// operator to the next.
constexpr int64_t piece_size = 16384;

struct StepSize {
  double size, root, weight_decay;
};

// `largest` is undefined without amsgrad. All of one shape.
struct Piece {
  at::Tensor parameter, gradient, first, second, largest;
};

void step_piece(const Piece& part, const StepSize& by) {
  const at::Tensor gradient =
      by.weight_decay == 0 ? part.gradient : part.gradient + part.parameter * by.weight_decay;
  part.first.mul_(beta1).add_(gradient, 1 - beta1);
  part.second.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  if (part.largest.defined()) part.largest.copy_(at::maximum(part.largest, part.second));
  const at::Tensor& spread = part.largest.defined() ? part.largest : part.second;
  part.parameter.addcdiv_(part.first, (spread.sqrt() / by.root).add_(eps), -by.size);
}

void step_piece(const Piece& part, const StepSize& by, AdamStep fused) {
  if (fused == nullptr || part.largest.defined()) {
    step_piece(part, by);
    return;
  }
  AdamNumbers numbers{};
  numbers.beta1 = static_cast<float>(beta1);
  numbers.rest1 = static_cast<float>(1 - beta1);
  numbers.beta2 = static_cast<float>(beta2);
  numbers.rest2 = static_cast<float>(1 - beta2);
  numbers.eps = static_cast<float>(eps);
  numbers.weight_decay = static_cast<float>(by.weight_decay);
  numbers.size = static_cast<float>(by.size);
  numbers.root = static_cast<float>(by.root);
  fused({part.parameter.data_ptr<float>(), part.gradient.data_ptr<float>(),
         part.first.data_ptr<float>(), part.second.data_ptr<float>()},
        part.parameter.numel(), numbers);
}

// Whether all lie in memory alike and without gaps, so that their numbers can be taken in any
// order.
bool can_be_cut(const Piece& whole) {
  const at::Tensor& p = whole.parameter;
  if (!p.device().is_cpu() || p.numel() <= piece_size || !p.is_non_overlapping_and_dense())
    return false;
  return whole.gradient.strides() == p.strides();  // the moments are made like their parameters
}

Piece cut(const Piece& whole, int64_t first, int64_t count) {
  const auto part = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    return tensor.as_strided({count}, {1}, tensor.storage_offset() + first);
  };
  return {part(whole.parameter), part(whole.gradient), part(whole.first), part(whole.second),
          part(whole.largest)};
}

}  // namespace

void Optimiser::step(const std::vector<at::Tensor>& gradients, double learning_rate) {
  const c10::NoGradGuard no_grad;
  const double steps = static_cast<double>(++moments_.steps);
  const StepSize by{learning_rate / (1 - std::pow(beta1, steps)),
                    std::sqrt(1 - std::pow(beta2, steps)), weight_decay_};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Piece whole{parameters_[i], gradients.at(i), moments_.first[i], moments_.second[i],
                      amsgrad_ ? moments_.largest[i] : at::Tensor()};
    if (!can_be_cut(whole)) {
      on_one_thread([&] { step_piece(whole, by); });
      continue;
    }
    const int64_t numbers = whole.parameter.numel();
    for_each_cell((numbers + piece_size - 1) / piece_size, Gradients::off, [&](int64_t piece) {
      const int64_t first = piece * piece_size;
      step_piece(cut(whole, first, std::min(piece_size, numbers - first)), by, fused_);
    });
  }
}

}  // namespace canal
