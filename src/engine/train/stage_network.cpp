#include "engine/train/stage_network.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "engine/errors.h"
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
      parameters_(to_parameters(weights, sizes_, options.device)),
      stabiliser_(options.batch_stabiliser ? Stabiliser::batch : Stabiliser::cell) {
  if (sizes_.types == 0)
    throw Error(ErrorKind::sizes, "A stage needs a network with a classification head.");
  choose_trainable(options);
}

// METHODS section 4 trains the last layer but one; a network of one layer trains that.
int64_t StageNetwork::first_trained_layer(Trainable trainable) const {
  if (trainable == Trainable::all) return 0;
  return trainable == Trainable::stage ? std::max<int64_t>(0, sizes_.depth - 2) : sizes_.depth;
}

void StageNetwork::choose_trainable(const TrainerOptions& options) {
  const Trainable trainable = options.trainable;
  frozen_layers_ = first_trained_layer(trainable);
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
                   });
}

Classified StageNetwork::forward(const at::Tensor& tokens, const Control& control) const {
  const Pass pass{stabiliser_, &control};
  at::Tensor x;  // B x N x D
  if (frozen_layers_ > 0) {
    const c10::NoGradGuard no_grad;
    x = run_layers(parameters_, embed_tokens(parameters_, tokens), 0, frozen_layers_, pass);
  } else {
    x = embed_tokens(parameters_, tokens);
  }
  for (int64_t i = frozen_layers_; i < sizes_.depth; ++i)
    x = stoppable(run_layer(parameters_.layers[i], x, pass), control);
  return classify(parameters_.head, final_norm(parameters_, x));
}

Classified StageNetwork::predict(const at::Tensor& tokens, const Control& control) const {
  const c10::NoGradGuard no_grad;
  const Pass pass{Stabiliser::cell, &control};
  const at::Tensor x =
      run_layers(parameters_, embed_tokens(parameters_, tokens), 0, sizes_.depth, pass);
  return classify(parameters_.head, final_norm(parameters_, x));
}

Weights StageNetwork::weights() const { return to_weights(parameters_, sizes_); }

void StageNetwork::redraw(at::Generator& generator) {
  for (LayerParameters& layer : parameters_.layers)
    layer.projection = draw_projection(sizes_.features, sizes_.head_width, generator).to(device());
}

}  // namespace canal
