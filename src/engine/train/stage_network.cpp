#include "engine/train/stage_network.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "engine/errors.h"
#include "engine/kernels/choose.h"
#include "engine/nn/encoder.h"
#include "engine/nn/random.h"

namespace canal {

namespace {

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

bool is_features(const std::string& name) {
  return name.find("projection_matrix") != std::string::npos;
}

bool is_head(const std::string& name) {
  return starts_with(name, "to_out.conv1") || starts_with(name, "to_out.fc");
}

bool is_layer(const std::string& name) { return starts_with(name, "performer."); }

bool is_table(const std::string& name) {
  return starts_with(name, "token_emb.") || starts_with(name, "pos_emb.");
}

// Backward passes cannot be stopped from outside, but a gradient passing by can look at the flag.
at::Tensor stoppable(const at::Tensor& x, const Control& control) {
  if (!x.requires_grad()) return x;
  const Control* flag = &control;
  x.register_hook([flag](const at::Tensor&) -> void { flag->check(); });
  return x;
}

}  // namespace

StageNetwork::StageNetwork(const Weights& weights, const TrainerOptions& options)
    : sizes_(sizes_of(weights)),
      parameters_(to_parameters(weights, sizes_, options.compute.device)),
      stabiliser_(options.batch_stabiliser ? Stabiliser::batch : Stabiliser::cell),
      learning_(sizes_.depth, false),
      compute_(options.compute) {
  if (sizes_.types == 0)
    throw Error(ErrorKind::sizes, "A stage needs a network with a classification head.");
  choose_trainable(options);
  make_kernels(options.compute);
}

// METHODS section 4 trains the last layer but one; a network of one layer trains that.
int64_t StageNetwork::first_trained_layer(Trainable trainable) const {
  if (trainable == Trainable::all) return 0;
  return trainable == Trainable::stage ? std::max<int64_t>(0, sizes_.depth - 2) : sizes_.depth;
}

void StageNetwork::choose_trainable(const TrainerOptions& options) {
  const Trainable trainable = options.trainable;
  frozen_layers_ = first_trained_layer(trainable);
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    learning_[i] = trainable == Trainable::all || i == frozen_layers_;
  const std::string layer = layer_prefix(frozen_layers_);
  auto learns = [&](const std::string& name) {
    if (is_features(name) || name == "to_out.weight" || name == "to_out.bias") return false;
    if (name == "pos_emb.emb.weight" && !options.learn_positions) return false;
    if (is_head(name) || trainable == Trainable::all) return true;
    return trainable == Trainable::stage &&
           (starts_with(name, "norm.") || starts_with(name, layer));
  };
  visit_parameters(parameters_, sizes_,
                   [&](const std::string& name, at::Tensor& tensor, const Shape&) {
                     if (!learns(name)) return;
                     tensor.requires_grad_(true);
                     trainable_.emplace_back(name, tensor);
                     if (is_table(name)) ++before_;
                     if (!is_table(name) && !is_layer(name)) ++behind_;
                   });
}

void StageNetwork::make_kernels(const Compute& compute) {
  const Tier* tier = choose_tier(compute);
  reduced_ = reduces_products(compute);
  if (tier == nullptr) return;
  if (frozen_layers_ > 0)
    frozen_kernels_.reset(
        new LayerStack(parameters_, sizes_, 0, frozen_layers_, *tier, Keep::nothing));
  if (frozen_layers_ < sizes_.depth)
    trained_kernels_.reset(new LayerStack(parameters_, sizes_, frozen_layers_, sizes_.depth, *tier,
                                          Keep::for_backward));
}

at::Tensor StageNetwork::enter(const at::Tensor& tokens, const Control& control) const {
  if (frozen_layers_ == 0) return embed_tokens(parameters_, tokens);
  const c10::NoGradGuard no_grad;
  const at::Tensor x = embed_tokens(parameters_, tokens);
  if (frozen_kernels_ && stabiliser_ == Stabiliser::cell) {
    frozen_kernels_->forward(x, control);
    return x;
  }
  return run_layers(parameters_, x, 0, frozen_layers_, {stabiliser_, &control, reduced_});
}

at::Tensor StageNetwork::run_trained(at::Tensor x, const Control& control) const {
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    x = stoppable(run_layer(parameters_.layers[i], x, {stabiliser_, &control, reduced_}), control);
  return x;
}

Classified StageNetwork::leave(const at::Tensor& x) const {
  return classify(parameters_.head, final_norm(parameters_, x));
}

Classified StageNetwork::predict(const at::Tensor& x, const Control& control) const {
  const c10::NoGradGuard no_grad;
  if (!trained_kernels_)
    return leave(run_layers(parameters_, x, frozen_layers_, sizes_.depth,
                            {Stabiliser::cell, &control, reduced_}));
  const at::Tensor own = x.detach().clone();
  trained_kernels_->forward(own, control);
  return leave(own);
}

namespace {

std::vector<at::Tensor> tensors(const std::vector<std::pair<std::string, at::Tensor>>& named,
                                size_t first, size_t last) {
  std::vector<at::Tensor> some;
  for (size_t i = first; i < last; ++i) some.push_back(named[i].second);
  return some;
}

}  // namespace

std::vector<at::Tensor> StageNetwork::trained_before() const {
  return tensors(trainable_, 0, before_);
}

std::vector<at::Tensor> StageNetwork::trained_behind() const {
  return tensors(trainable_, trainable_.size() - behind_, trainable_.size());
}

LayerParameters StageNetwork::zero_gradients(int64_t layer) const {
  LayerParameters zeros = parameters_.layers[layer];
  visit_layer(zeros, "", sizes_, [](const std::string&, at::Tensor& tensor, const Shape&) {
    tensor = at::zeros_like(tensor).detach();
  });
  return zeros;
}

std::vector<at::Tensor> learned_tensors(LayerParameters& layer, const NetworkSizes& sizes) {
  std::vector<at::Tensor> learned;
  visit_layer(layer, "", sizes, [&](const std::string& name, at::Tensor& tensor, const Shape&) {
    if (!is_features(name)) learned.push_back(tensor);
  });
  return learned;
}

Weights StageNetwork::weights() const { return to_weights(parameters_, sizes_); }

void StageNetwork::update_kernels() {
  if (!trained_kernels_) return;
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    if (learning_[i]) trained_kernels_->update(i - frozen_layers_, parameters_.layers[i]);
}

void StageNetwork::redraw(at::Generator& generator) {
  for (LayerParameters& layer : parameters_.layers)
    layer.projection = draw_projection(sizes_.features, sizes_.head_width, generator).to(device());
  make_kernels(compute_);
}

}  // namespace canal
