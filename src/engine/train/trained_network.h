// The network while it is trained: which part is frozen, which part learns.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/control.h"
#include "engine/descent.h"
#include "engine/network.h"
#include "engine/nn/attention.h"
#include "engine/nn/heads.h"
#include "engine/nn/layer_stack.h"
#include "engine/nn/parameters.h"
#include "engine/train/learner.h"
#include "engine/trainer.h"

namespace canal {

// What of a network learns.
struct Learning {
  Trainable trainable;
  bool positions = false;      // with Trainable::all: the position table too
  int64_t new_positions = 0;   // the last so many genes' rows of it, whatever else learns
  bool masked_tokens = false;  // towards the pre-training head instead of the classification head
};

class TrainedNetwork : public Learner {
 public:
  TrainedNetwork(const Weights& weights, const Learning& learning, const DescentOptions& options);

  // ---- The way of cells: enter, then the layers that gradients pass, then the head ----

  // After the frozen layers, without gradients; the embedded tokens where no layer is frozen, with
  // those of the token table. tokens: B x N; B = 1 with kernels. Returns B x N x D.
  at::Tensor enter(const at::Tensor& tokens, const Control& control) const;
  // The other layers by LibTorch's operators, with gradients. x: B x N x D.
  at::Tensor run_trained(at::Tensor x, const Control& control) const;
  // The other layers by the kernels. Null: there are none, or no kernels for them.
  const LayerStack* trained_kernels() const { return trained_kernels_.get(); }
  // x: B x N x D, after all layers.
  Classified leave(const at::Tensor& x) const;
  // The pre-training head on some tokens. x: n x D, after all layers. Returns n x T.
  at::Tensor token_logits(const at::Tensor& x) const;
  // From what enter() returned to after all layers, without gradients. x: B x N x D.
  at::Tensor pass_through(const at::Tensor& x, const Control& control) const;

  const NetworkSizes& sizes() const { return sizes_; }
  at::Device device() const { return parameters_.token_emb.device(); }
  int64_t frozen_layers() const { return frozen_layers_; }
  bool reduced() const { return reduced_; }  // products of bfloat16 numbers

  // Of trainable(), what lies before the layers, and what lies behind them.
  std::vector<at::Tensor> trained_before() const;
  std::vector<at::Tensor> trained_behind() const;
  // Whether layer `layer` (of all) learns, and zeros shaped like its parameters.
  bool learns(int64_t layer) const { return layer_learns_.at(layer); }
  LayerParameters zero_gradients(int64_t layer) const;

  // The random features included.
  Weights weights() const override;
  void set_weights(const Weights& weights) override;
  void after_step() override;
  // Draws the random features of every layer anew.
  void redraw(at::Generator& generator) override;
  void mask_gradients(GradientList& gradients) const override;

 private:
  int64_t first_learning_layer() const;
  bool learns_name(const std::string& name) const;
  void choose_trainable();
  void make_kernels(const Compute& compute);

  NetworkSizes sizes_;
  Parameters parameters_;
  Learning learning_;
  Stabiliser stabiliser_;
  bool reduced_ = false;
  int64_t frozen_layers_ = 0;  // layers below every trained parameter: no gradient goes there
  std::vector<bool> layer_learns_;
  size_t before_ = 0, behind_ = 0;  // of trainable_, in front of the layers and after them
  std::unique_ptr<LayerStack> frozen_kernels_, trained_kernels_;
  Compute compute_;
};

// The learned parameters of a layer, in the order of the checkpoint: all but the projection.
std::vector<at::Tensor> learned_tensors(LayerParameters& layer, const NetworkSizes& sizes);

}  // namespace canal
