// The settings of a checkpoint as one text of JSON: {"preset": "compact", "dim": 32, ...}. A text,
// because PyTorch's restricted loader once knew no numbers with a fraction.
#pragma once
#include <string>

#include "engine/checkpoint.h"

namespace canal::io {

std::string settings_text(const Checkpoint& checkpoint);

// Puts the settings in the text into the checkpoint. Returns false where it is no such text, as
// other programs have entries of that name too.
bool read_settings(const std::string& text, Checkpoint& checkpoint);

}  // namespace canal::io
