#include "engine/nn/layer_stack.h"

#include <ATen/Parallel.h>

namespace canal {

namespace {

LayerView view_of(const LayerParameters& layer) {
  auto data = [](const at::Tensor& tensor) { return tensor.data_ptr<float>(); };
  return {data(layer.norm1_weight), data(layer.norm1_bias),  data(layer.projection),
          data(layer.to_q),         data(layer.to_k),        data(layer.to_v),
          data(layer.to_out),       data(layer.to_out_bias), data(layer.norm2_weight),
          data(layer.norm2_bias),   data(layer.w1),          data(layer.b1),
          data(layer.w2),           data(layer.b2)};
}

}  // namespace

SpanLoop side_by_side() {
  return [](int64_t count, const std::function<void(int64_t)>& work) {
    at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) work(i);
    });
  };
}

LayerSizes layer_sizes(const NetworkSizes& s) {
  return {s.dim, s.heads, s.head_width, s.features, s.ff_width};
}

LayerStack::LayerStack(const Parameters& parameters, const NetworkSizes& sizes, int64_t first,
                       int64_t last, const Tier& tier, Keep keep)
    : tokens_(sizes.positions), depth_(last - first), keep_(keep) {
  std::vector<LayerView> views;
  for (int64_t i = first; i < last; ++i) views.push_back(view_of(parameters.layers[i]));
  kernel_ = tier.make(layer_sizes(sizes), views, keep);
}

void LayerStack::update(int64_t layer, const LayerParameters& parameters) {
  kernel_->update(layer, view_of(parameters));
}

void LayerStack::run(CellPass& pass, const Control& control) const {
  const SpanLoop loop = side_by_side();
  for (int64_t layer = 0; layer < depth_; ++layer) {
    const float stabiliser = pass.keys(layer, loop, control);
    pass.finish(layer, stabiliser, loop, control);
  }
}

void LayerStack::forward(const at::Tensor& x, const Control& control) const {
  const Lease pass(*this);
  pass->load(x.data_ptr<float>(), 0, tokens_);
  run(*pass, control);
  pass->store(x.data_ptr<float>(), 0, tokens_);
}

LayerStack::Lease::Lease(const LayerStack& stack) : stack_(&stack) {
  {
    const std::lock_guard<std::mutex> lock(stack.mutex_);
    if (!stack.idle_.empty()) {
      pass_ = std::move(stack.idle_.back());
      stack.idle_.pop_back();
    }
  }
  if (!pass_) pass_ = stack.kernel_->pass(stack.tokens_, stack.keep_);
}

LayerStack::Lease::~Lease() {
  if (!pass_) return;
  const std::lock_guard<std::mutex> lock(stack_->mutex_);
  stack_->idle_.push_back(std::move(pass_));
}

}  // namespace canal
