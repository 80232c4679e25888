// The network as a stage trains it: which part is frozen, which part learns.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/control.h"
#include "engine/network.h"
#include "engine/nn/attention.h"
#include "engine/nn/heads.h"
#include "engine/nn/parameters.h"
#include "engine/trainer.h"

namespace canal {

class StageNetwork {
 public:
  StageNetwork(const Weights& weights, const TrainerOptions& options);

  // With gradients of the trainable part. tokens: B x N.
  Classified forward(const at::Tensor& tokens, const Control& control) const;
  // For one cell (1 x N), or more where nobody minds that they share a pass.
  Classified predict(const at::Tensor& tokens, const Control& control) const;

  const NetworkSizes& sizes() const { return sizes_; }
  at::Device device() const { return parameters_.token_emb.device(); }
  const std::vector<std::pair<std::string, at::Tensor>>& trainable() const { return trainable_; }
  Weights weights() const;

  // Draws the random features of every layer anew.
  void redraw(at::Generator& generator);

 private:
  int64_t first_trained_layer(Trainable trainable) const;
  void choose_trainable(const TrainerOptions& options);

  NetworkSizes sizes_;
  Parameters parameters_;
  Stabiliser stabiliser_;
  int64_t frozen_layers_ = 0;  // layers below every trained parameter: no gradient goes there
  std::vector<std::pair<std::string, at::Tensor>> trainable_;
};

}  // namespace canal
