// What some cells of a batch contribute to a step: losses and gradients.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/control.h"
#include "engine/train/stage_network.h"
#include "engine/trainer.h"

namespace canal {

// The sums of the cells' losses, and the gradients of their share of the batch's mean loss, in the
// order of StageNetwork::trainable().
struct Contribution {
  Losses sums{0, 0, 0};
  std::vector<at::Tensor> gradients;
};

void add_to(Contribution& total, Contribution part);

// What cells are trained towards.
struct Target {
  at::Tensor labels;         // B, int64
  at::Tensor old_embedding;  // B x W2; undefined without distillation
};

struct LossWeights {
  double label_smoothing;
  double distillation;
  double share;  // 1 / cells of the batch
};

// By LibTorch's operators. x: B x N x D, from StageNetwork::enter().
Contribution contribute(const StageNetwork& network, const at::Tensor& x, const Target& target,
                        const LossWeights& weights, const Control& control);

// By the kernels, for one cell. x: 1 x N x D.
Contribution contribute_cell(const StageNetwork& network, const at::Tensor& x, const Target& target,
                             const LossWeights& weights, const Control& control);

// By the kernels, for cells that share one stabiliser of the keys. A contribution per cell.
std::vector<Contribution> contribute_together(const StageNetwork& network,
                                              const std::vector<at::Tensor>& x,
                                              const std::vector<Target>& targets,
                                              const LossWeights& weights, const Control& control);

}  // namespace canal
