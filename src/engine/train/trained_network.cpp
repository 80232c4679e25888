#include "engine/train/trained_network.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "engine/errors.h"
#include "engine/kernels/choose.h"
#include "engine/nn/encoder.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

bool is_features(const std::string& name) {
  return name.find("projection_matrix") != std::string::npos;
}

// The pre-training head.
bool is_token_head(const std::string& name) {
  return name == "to_out.weight" || name == "to_out.bias";
}

bool is_head(const std::string& name) {
  return starts_with(name, "to_out.conv1") || starts_with(name, "to_out.fc");
}

bool is_layer(const std::string& name) { return starts_with(name, "performer."); }

bool is_positions(const std::string& name) { return starts_with(name, "pos_emb."); }

bool is_table(const std::string& name) {
  return starts_with(name, "token_emb.") || is_positions(name);
}

// Backward passes cannot be stopped from outside, but a gradient passing by can look at the flag.
at::Tensor stoppable(const at::Tensor& x, const Control& control) {
  if (!x.requires_grad()) return x;
  const Control* flag = &control;
  x.register_hook([flag](const at::Tensor&) -> void { flag->check(); });
  return x;
}

}  // namespace

TrainedNetwork::TrainedNetwork(const Weights& weights, const Learning& learning,
                               const DescentOptions& options)
    : sizes_(sizes_of(weights)),
      parameters_(to_parameters(weights, sizes_, options.compute.device)),
      learning_(learning),
      stabiliser_(options.batch_stabiliser ? Stabiliser::batch : Stabiliser::cell),
      layer_learns_(sizes_.depth, false),
      compute_(options.compute) {
  if (learning.masked_tokens && !sizes_.mlm_head)
    throw Error(ErrorKind::sizes, "Masked tokens need a network with the pre-training head.");
  if (!learning.masked_tokens && sizes_.types == 0)
    throw Error(ErrorKind::sizes, "A stage needs a network with a classification head.");
  choose_trainable();
  make_kernels(options.compute);
}

// METHODS section 4 trains the last layer but one; a network of one layer trains that.
int64_t TrainedNetwork::first_learning_layer() const {
  if (learning_.trainable == Trainable::all) return 0;
  return learning_.trainable == Trainable::stage ? std::max<int64_t>(0, sizes_.depth - 2)
                                                 : sizes_.depth;
}

bool TrainedNetwork::learns_name(const std::string& name) const {
  const bool all = learning_.trainable == Trainable::all;
  if (is_features(name)) return false;
  if (is_token_head(name)) return learning_.masked_tokens;
  if (is_head(name)) return !learning_.masked_tokens;
  if (is_positions(name)) return (all && learning_.positions) || learning_.new_positions > 0;
  if (all) return true;
  return learning_.trainable == Trainable::stage &&
         (starts_with(name, "norm.") || starts_with(name, layer_prefix(first_learning_layer())));
}

void TrainedNetwork::choose_trainable() {
  const int64_t first = first_learning_layer();
  for (int64_t i = first; i < sizes_.depth; ++i)
    layer_learns_[i] = learning_.trainable == Trainable::all || i == first;
  // On their way to new rows of the position table gradients pass every layer.
  frozen_layers_ = learning_.new_positions > 0 ? 0 : first;
  visit_parameters(parameters_, sizes_,
                   [&](const std::string& name, at::Tensor& tensor, const Shape&) {
                     if (!learns_name(name)) return;
                     tensor.requires_grad_(true);
                     trainable_.emplace_back(name, tensor);
                     if (is_table(name)) ++before_;
                     if (!is_table(name) && !is_layer(name)) ++behind_;
                   });
}

void TrainedNetwork::mask_gradients(GradientList& gradients) const {
  if (learning_.new_positions == 0) return;
  if (learning_.trainable == Trainable::all && learning_.positions) return;
  const int64_t last = sizes_.positions - 1;
  for (size_t i = 0; i < trainable_.size(); ++i) {
    if (!is_positions(trainable_[i].first)) continue;
    gradients[i].narrow(0, 0, last - learning_.new_positions).zero_();
    gradients[i].select(0, last).zero_();
  }
}

void TrainedNetwork::make_kernels(const Compute& compute) {
  const Tier* tier = choose_tier(compute);
  reduced_ = reduces_products(compute);
  if (tier == nullptr) return;
  if (frozen_layers_ > 0)
    frozen_kernels_ =
        std::make_unique<LayerStack>(parameters_, sizes_, 0, frozen_layers_, *tier, Keep::nothing);
  if (frozen_layers_ < sizes_.depth)
    trained_kernels_ = std::make_unique<LayerStack>(parameters_, sizes_, frozen_layers_,
                                                    sizes_.depth, *tier, Keep::for_backward);
}

at::Tensor TrainedNetwork::enter(const at::Tensor& tokens, const Control& control) const {
  if (frozen_layers_ == 0) return embed_tokens(parameters_, tokens);
  const c10::NoGradGuard no_grad;
  const at::Tensor x = embed_tokens(parameters_, tokens);
  if (frozen_kernels_ && stabiliser_ == Stabiliser::cell) {
    frozen_kernels_->forward(x, control);
    return x;
  }
  return run_layers(parameters_, x, 0, frozen_layers_, {stabiliser_, &control, reduced_});
}

at::Tensor TrainedNetwork::run_trained(at::Tensor x, const Control& control) const {
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    x = stoppable(run_layer(parameters_.layers[i], x, {stabiliser_, &control, reduced_}), control);
  return x;
}

Classified TrainedNetwork::leave(const at::Tensor& x) const {
  return classify(parameters_.head, final_norm(parameters_, x));
}

at::Tensor TrainedNetwork::token_logits(const at::Tensor& x) const {
  return masked_token_logits(parameters_, final_norm(parameters_, x));
}

at::Tensor TrainedNetwork::pass_through(const at::Tensor& x, const Control& control) const {
  const c10::NoGradGuard no_grad;
  if (!trained_kernels_)
    return run_layers(parameters_, x, frozen_layers_, sizes_.depth,
                      {Stabiliser::cell, &control, reduced_});
  const at::Tensor own = x.detach().clone();
  trained_kernels_->forward(own, control);
  return own;
}

namespace {

std::vector<at::Tensor> tensors(const NamedTensors& named, size_t first, size_t last) {
  std::vector<at::Tensor> some;
  for (size_t i = first; i < last; ++i) some.push_back(named[i].second);
  return some;
}

}  // namespace

std::vector<at::Tensor> TrainedNetwork::trained_before() const {
  return tensors(trainable_, 0, before_);
}

std::vector<at::Tensor> TrainedNetwork::trained_behind() const {
  return tensors(trainable_, trainable_.size() - behind_, trainable_.size());
}

LayerParameters TrainedNetwork::zero_gradients(int64_t layer) const {
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

Weights TrainedNetwork::weights() const { return to_weights(parameters_, sizes_); }

void TrainedNetwork::set_weights(const Weights& weights) {
  const c10::NoGradGuard no_grad;
  Parameters given = to_parameters(weights, sizes_, compute_.device);
  std::vector<at::Tensor> values;
  visit_parameters(given, sizes_, [&](const std::string&, at::Tensor& tensor, const Shape&) {
    values.push_back(tensor);
  });
  size_t i = 0;
  visit_parameters(parameters_, sizes_, [&](const std::string&, at::Tensor& tensor, const Shape&) {
    tensor.copy_(values[i++]);
  });
  make_kernels(compute_);
}

void TrainedNetwork::after_step() {
  if (!trained_kernels_) return;
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    if (layer_learns_[i]) trained_kernels_->update(i - frozen_layers_, parameters_.layers[i]);
}

void TrainedNetwork::redraw(at::Generator& generator) {
  on_one_thread([&] {
    for (LayerParameters& layer : parameters_.layers)
      layer.projection =
          draw_projection(sizes_.features, sizes_.head_width, generator).to(device());
  });
  make_kernels(compute_);
}

}  // namespace canal
