#include "engine/train/descent.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "engine/errors.h"
#include "engine/nn/operators.h"
#include "engine/nn/parameters.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

// So many cells' gradients are held at once, however many a step has: each is as large as all
// trained parameters together.
constexpr int64_t cells_side_by_side = 16;

const DescentOptions& checked(const DescentOptions& options) {
  if (options.batch_size < 1) throw Error(ErrorKind::input, "A batch needs at least one cell.");
  if (options.accumulation < 1)
    throw Error(ErrorKind::input, "A step needs at least one mini-batch.");
  if (options.batch_stabiliser && options.team)
    throw Error(ErrorKind::input, "A mini-batch with one stabiliser cannot be shared out.");
  return options;
}

std::vector<at::Tensor> learned(const Learner& learner) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : learner.trainable()) tensors.push_back(tensor);
  return tensors;
}

double squared_length(const GradientList& gradients) {
  double sum = 0;
  for (const at::Tensor& gradient : gradients) sum += gradient.square().sum().item<double>();
  return sum;
}

// As torch.nn.utils.clip_grad_norm_, its epsilon included.
void clip(GradientList& gradients, double longest) {
  const double scale = longest / (std::sqrt(squared_length(gradients)) + 1e-6);
  if (scale >= 1) return;
  for (at::Tensor& gradient : gradients) gradient.mul_(scale);
}

std::vector<at::Tensor> tensors_of(const Learner& learner, const Weights& arrays) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : learner.trainable()) {
    const FloatArray* array = find(arrays, name);
    if (array == nullptr || array->shape != parameter.sizes().vec())
      throw Error(ErrorKind::sizes, "The state to go on from does not fit `" + name + "`.");
    tensors.push_back(to_tensor(*array).to(parameter.device()));
  }
  return tensors;
}

}  // namespace

std::vector<Cells> split(const Cells& cells, int64_t size) {
  std::vector<Cells> pieces;
  for (size_t first = 0; first < cells.size(); first += size)
    pieces.emplace_back(cells.begin() + first,
                        cells.begin() + std::min(cells.size(), first + size));
  return pieces;
}

Descent::Descent(Learner& learner, const DescentOptions& options, AdamStep fused)
    : options_(checked(options)),
      learner_(learner),
      optimiser_(learned(learner), options.amsgrad, options.weight_decay, fused),
      generator_(make_generator(options.seed)),
      best_(learner_.weights()) {}

bool Descent::redraw_if_due(int64_t mini_batches) {
  if (options_.redraw_interval < 1) return false;
  const bool due = passes_since_redraw_ >= options_.redraw_interval;
  if (due) {
    learner_.redraw(generator_);
    passes_since_redraw_ = 0;
  }
  passes_since_redraw_ += mini_batches;
  return due;
}

Descent::Share Descent::own_share(int64_t cells) const {
  if (!options_.team) return {0, cells};
  const int64_t rank = options_.team->rank(), size = options_.team->size();
  return {cells * rank / size, cells * (rank + 1) / size};
}

void Descent::sum_over_team(std::vector<double>& values, const Control& control) const {
  if (options_.team) options_.team->sum(values, control);
}

void Descent::sum_over_team(std::vector<float>& values, const Control& control) const {
  if (options_.team) options_.team->sum(values, control);
}

GradientList Descent::sum_of(int64_t cells, const CellWork& work, const Control& control) const {
  const Share own = own_share(cells);
  GradientList total;
  for (int64_t first = own.first; first < own.last; first += cells_side_by_side) {
    std::vector<GradientList> parts(std::min(cells_side_by_side, own.last - first));
    for_each_cell(static_cast<int64_t>(parts.size()), Gradients::on,
                  [&](int64_t i) { parts[i] = work(first + i); });
    // In the order of the cells, so that threads cannot change a bit.
    for (GradientList& part : parts) add_to(total, std::move(part));
  }
  return options_.team ? summed_over_team(std::move(total), control) : total;
}

// One message for all parameters: the fewer, the less waiting. Only what learns travels.
GradientList Descent::summed_over_team(GradientList own, const Control& control) const {
  const c10::NoGradGuard no_grad;
  if (own.empty())  // a step of fewer cells than workers
    for (const auto& [name, parameter] : learner_.trainable())
      own.push_back(at::zeros_like(parameter).detach());
  std::vector<float> values;
  for (const at::Tensor& gradient : own) {
    const FloatArray array = to_array(gradient);
    values.insert(values.end(), array.values.begin(), array.values.end());
  }
  options_.team->sum(values, control);
  const float* from = values.data();
  for (at::Tensor& gradient : own) {
    at::Tensor sum = at::empty(gradient.sizes(), at::kFloat);
    std::copy(from, from + sum.numel(), sum.data_ptr<float>());
    from += sum.numel();
    gradient = sum.to(gradient.device());
  }
  return own;
}

void Descent::step(GradientList gradients, double learning_rate) {
  const c10::NoGradGuard no_grad;
  learner_.mask_gradients(gradients);
  if (options_.clip_norm > 0) on_one_thread([&] { clip(gradients, options_.clip_norm); });
  optimiser_.step(gradients, learning_rate);
  learner_.after_step();
}

TrainingState Descent::state() const {
  TrainingState state;
  state.weights = learner_.weights();
  state.best = best_;
  const Moments& moments = optimiser_.moments();
  state.first_moments = named(learner_, moments.first);
  state.second_moments = named(learner_, moments.second);
  state.largest_moments = named(learner_, moments.largest);
  state.steps = moments.steps;
  state.passes_since_redraw = passes_since_redraw_;
  const at::Tensor bytes = generator_.get_state().contiguous();
  state.generator.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  return state;
}

void Descent::restore(const TrainingState& state) {
  Moments moments;
  moments.first = tensors_of(learner_, state.first_moments);
  moments.second = tensors_of(learner_, state.second_moments);
  if (options_.amsgrad) moments.largest = tensors_of(learner_, state.largest_moments);
  moments.steps = state.steps;
  if (state.generator.size() != static_cast<size_t>(generator_.get_state().numel()))
    throw Error(ErrorKind::sizes, "The state of the random numbers to go on from does not fit.");
  at::Tensor bytes = at::empty({static_cast<int64_t>(state.generator.size())}, at::kByte);
  std::copy(state.generator.begin(), state.generator.end(), bytes.data_ptr<uint8_t>());
  learner_.set_weights(state.weights);
  best_ = state.best;
  optimiser_.restore(moments);
  generator_.set_state(bytes);
  passes_since_redraw_ = state.passes_since_redraw;
}

}  // namespace canal
