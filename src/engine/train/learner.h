// What a descent moves: anything with named tensors that learn.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/array.h"
#include "engine/train/gradients.h"

namespace canal {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

class Learner {
 public:
  virtual ~Learner() = default;

  // Everything that learns, in the order of the checkpoint.
  const NamedTensors& trainable() const { return trainable_; }

  // All that makes the model, learning or not, and other numbers for all of it.
  virtual Weights weights() const = 0;
  virtual void set_weights(const Weights& weights) = 0;
  // To be called after the trained parameters have changed.
  virtual void after_step() {}
  // Sets gradients to zero where a learning parameter has parts that do not learn.
  virtual void mask_gradients(GradientList&) const {}
  // Draws anew what is random and not learned.
  virtual void redraw(at::Generator&) {}

 protected:
  NamedTensors trainable_;
};

// The gradients, or moments, of all that learns by their names.
Weights named(const Learner& learner, const std::vector<at::Tensor>& values);

}  // namespace canal
