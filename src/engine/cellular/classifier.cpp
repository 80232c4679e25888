#include "engine/cellular/classifier.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/relu.h>

#include "engine/nn/operators.h"

namespace canal {

bool is_running_statistic(const std::string& name) {
  return name.find(".running_") != std::string::npos;
}

ClassifierWidths classifier_widths(const Weights& weights) {
  const Shape first = matrix_shape(weights, "classifier.linear1.weight");
  const Shape second = matrix_shape(weights, "classifier.linear2.weight");
  const Shape output = matrix_shape(weights, "classifier.output.weight");
  return {first[1], first[0], second[0], output[0]};
}

ClassifierParameters to_classifier(const Weights& weights, const ClassifierWidths& widths) {
  ClassifierParameters parameters;
  visit_classifier(parameters, widths,
                   [&](const std::string& name, at::Tensor& tensor, const Shape& shape) {
                     tensor = to_tensor(weight_of(weights, name, shape));
                   });
  return parameters;
}

namespace {

at::Tensor normed(const at::Tensor& x, const BatchNorm& norm, bool training) {
  return at::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, training,
                        /*momentum=*/0.1, /*eps=*/1e-5, /*cudnn_enabled=*/false);
}

at::Tensor run(const ClassifierParameters& p, const at::Tensor& z, const at::Tensor& kept,
               bool training, const Linear& linear) {
  at::Tensor x = normed(z, p.norm_in, training);                                  // B x L
  x = at::relu(normed(linear(x, p.linear1, p.linear1_bias), p.norm1, training));  // B x C1
  if (kept.defined()) x = x * kept;
  x = at::relu(normed(linear(x, p.linear2, p.linear2_bias), p.norm2, training));  // B x C2
  return linear(x, p.output, p.output_bias);
}

}  // namespace

at::Tensor classify_cells(const ClassifierParameters& p, const at::Tensor& z,
                          const Linear& linear) {
  return run(p, z, {}, false, linear);
}

at::Tensor classify_in_training(const ClassifierParameters& p, const at::Tensor& z,
                                const at::Tensor& kept) {
  return run(p, z, kept, true, linear_by_operator());
}

}  // namespace canal
