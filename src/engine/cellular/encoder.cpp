#include "engine/cellular/encoder.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>

#include "engine/nn/operators.h"

namespace canal {

EncoderWidths encoder_widths(const Weights& weights) {
  const Shape first = matrix_shape(weights, "output_encoder.linear1.weight");
  const Shape second = matrix_shape(weights, "output_encoder.linear2.weight");
  const Shape output = matrix_shape(weights, "output_encoder.output.weight");
  return {first[1], first[0], second[0], output[0]};
}

EncoderParameters to_encoder(const Weights& weights, const EncoderWidths& widths) {
  EncoderParameters parameters;
  visit_encoder(parameters, widths,
                [&](const std::string& name, at::Tensor& tensor, const Shape& shape) {
                  tensor = to_tensor(weight_of(weights, name, shape));
                });
  parameters.linear1 = input_major(parameters.linear1);
  return parameters;
}

namespace {

at::Tensor normed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, /*eps=*/1e-5);
}

}  // namespace

at::Tensor enter_encoder(const EncoderParameters& p, const at::Tensor& x) {
  return at::linear(normed(x, p.norm_in, p.norm_in_bias), p.linear1, p.linear1_bias);
}

at::Tensor leave_encoder(const EncoderParameters& p, const at::Tensor& first,
                         const at::Tensor& kept, const Linear& linear) {
  at::Tensor x = at::relu(normed(first, p.norm1, p.norm1_bias));  // B x H1
  if (kept.defined()) x = x * kept;
  x = at::relu(normed(linear(x, p.linear2, p.linear2_bias), p.norm2, p.norm2_bias));  // B x H2
  return linear(x, p.output, p.output_bias);
}

}  // namespace canal
