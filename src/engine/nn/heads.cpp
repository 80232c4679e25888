#include "engine/nn/heads.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>

namespace canal {

at::Tensor token_scalars(const HeadParameters& head, const at::Tensor& encodings) {
  // One filter over the D channels.
  const at::Tensor filter = head.conv.reshape({1, -1});  // 1 x D
  return at::linear(encodings, filter, head.conv_bias).squeeze(-1);
}

Classified classify_scalars(const HeadParameters& head, const at::Tensor& scalars) {
  return classify_from_manifold(head,
                                at::relu(at::linear(at::relu(scalars), head.fc1, head.fc1_bias)));
}

Classified classify(const HeadParameters& head, const at::Tensor& encodings) {
  return classify_scalars(head, token_scalars(head, encodings));
}

Classified classify_from_manifold(const HeadParameters& head, const at::Tensor& manifold) {
  const at::Tensor embedding = at::relu(at::linear(manifold, head.fc2, head.fc2_bias));
  return {manifold, embedding, at::linear(embedding, head.fc3, head.fc3_bias)};
}

at::Tensor masked_token_logits(const Parameters& parameters, const at::Tensor& encodings) {
  return at::linear(encodings, parameters.mlm, parameters.mlm_bias);
}

}  // namespace canal
