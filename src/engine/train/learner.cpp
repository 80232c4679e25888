#include "engine/train/learner.h"

#include "engine/nn/parameters.h"

namespace canal {

Weights named(const Learner& learner, const std::vector<at::Tensor>& values) {
  Weights arrays;
  for (size_t i = 0; i < values.size(); ++i)
    arrays.emplace_back(learner.trainable()[i].first, to_array(values[i]));
  return arrays;
}

}  // namespace canal
