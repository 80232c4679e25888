// The gradients of cells: from a loss on what the layers make of them back to all that learns.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "engine/control.h"
#include "engine/train/gradients.h"
#include "engine/train/trained_network.h"

namespace canal {

// A scalar from what leaves the layers, B x N x D; recorded for gradients.
using LossOf = std::function<at::Tensor(const at::Tensor&)>;

// By LibTorch's operators. x: B x N x D, from TrainedNetwork::enter().
GradientList gradients_by_operators(const TrainedNetwork& network, const at::Tensor& x,
                                    const LossOf& loss, const Control& control);

// By the kernels, for one cell. x: 1 x N x D.
GradientList gradients_by_kernels(const TrainedNetwork& network, const at::Tensor& x,
                                  const LossOf& loss, const Control& control);

// By the kernels where there are some. x: 1 x N x D.
GradientList gradients_of_cell(const TrainedNetwork& network, const at::Tensor& x,
                               const LossOf& loss, const Control& control);

// By the kernels, for cells that share one stabiliser of the keys. A list per cell.
std::vector<GradientList> gradients_together(const TrainedNetwork& network,
                                             const std::vector<at::Tensor>& x,
                                             const std::vector<LossOf>& losses,
                                             const Control& control);

}  // namespace canal
