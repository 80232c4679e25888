# How a model was trained, epoch by epoch, as a picture.

#' @rdname canal-plots
#' @param part Which training of a model to show. Of a [CanalModel-class] `"stages"` (all of them,
#'   one after another) or `"pretraining"` (masked tokens, see [canal_pretraining()]); `NULL`: its
#'   stages, or the pre-training of a model without any. Of a [CellularModel-class] `"encoder"` or
#'   `"classifier"`; `NULL`: both, as far as they were trained.
#' @export
plot.CanalModel <- function(x, ..., part = NULL) {
  check_no_dots(...)
  need_ggplot()
  if (is.null(part)) part <- if (length(x@history)) "stages" else "pretraining"
  check_choice(part, c("stages", "pretraining"), "part")
  if (part == "stages") {
    records <- x@history
    panels <- stage_panels
  } else {
    records <- list(x@provenance$pretraining)
    panels <- pretraining_panels
  }
  curves <- training_curves(records, panels)
  check_curves(curves, part)
  spans <- if (part == "stages") stage_spans(records)
  draw_training(curves, spans, ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = 1,
                                                   scales = "free_y"))
}

#' @rdname canal-plots
#' @export
plot.CellularModel <- function(x, ..., part = NULL) {
  check_no_dots(...)
  need_ggplot()
  if (!is.null(part)) check_choice(part, c("encoder", "classifier"), "part")
  parts <- if (is.null(part)) c("encoder", "classifier") else part
  curves <- lapply(parts, function(name) {
    found <- training_curves(list(x@history[[name]]), cellular_panels[[name]])
    if (nrow(found)) found$panel <- factor(paste0(name, ": ", found$panel),
                                           paste0(name, ": ", levels(found$panel)))
    found
  })
  both <- do.call(rbind, curves)
  check_curves(both, paste(parts, collapse = " and "))
  # Panels go down by columns: the encoder's are the first one.
  both$panel <- factor(both$panel, unlist(lapply(curves, function(one) levels(one$panel))))
  rows <- max(vapply(curves, function(one) nlevels(one$panel), 0L))
  draw_training(both, NULL, ggplot2::facet_wrap(ggplot2::vars(.data$panel), nrow = rows, dir = "v",
                                                scales = "free"))
}

# What is drawn of a record's losses: panel, line, column and what it is multiplied by.
curve <- function(panel, line, column, times = 1) list(panel, line, column, times)

training_line <- "training cells"
held_line <- "held-out cells"

stage_panels <- list(
  curve("loss", training_line, "classification"), curve("loss", held_line, "validation_loss"),
  curve("distillation loss", training_line, "distillation"),
  curve("accuracy (%)", held_line, "validation_accuracy", 100),
  curve("learning rate", "", "learning_rate")
)

pretraining_panels <- list(
  curve("loss of masked tokens", training_line, "loss"),
  curve("loss of masked tokens", held_line, "validation_loss"),
  curve("accuracy on masked tokens (%)", training_line, "accuracy", 100),
  curve("accuracy on masked tokens (%)", held_line, "validation_accuracy", 100),
  curve("accuracy on masked tokens (%)", "held-out cells, mean of the kinds of token", "recall",
        100),
  curve("learning rate", "", "learning_rate")
)

cellular_panels <- list(
  encoder = list(
    curve("loss", training_line, "loss"), curve("loss", held_line, "validation_loss"),
    curve("terms of the training loss", "types", "types"),
    curve("terms of the training loss", "batches", "batches"),
    curve("terms of the training loss", "centroids", "centroids"),
    curve("temperature", "", "temperature"), curve("learning rate", "", "learning_rate")
  ),
  classifier = list(
    curve("loss", training_line, "loss"), curve("loss", held_line, "validation_loss"),
    curve("accuracy (%)", training_line, "accuracy", 100),
    curve("accuracy (%)", held_line, "validation_accuracy", 100),
    curve("learning rate", "", "learning_rate")
  )
)

# Epochs are counted on over the records. Returns a row per epoch and line: panel, line, epoch,
# value, record (its number), kept (is it the epoch whose weights were kept?). What was never
# measured has no line.
training_curves <- function(records, panels) {
  before <- cumsum(c(0, epochs_of(records)))
  rows <- lapply(seq_along(records), function(i) {
    do.call(rbind, lapply(panels, record_curve, record = records[[i]], number = i,
                          before = before[i]))
  })
  curves <- do.call(rbind, c(list(no_curves()), rows))
  wanted <- vapply(panels, `[[`, "", 1)
  curves$panel <- factor(curves$panel, unique(wanted[wanted %in% curves$panel]))
  curves
}

record_curve <- function(one, record, number, before) {
  losses <- as.data.frame(record$losses)
  value <- losses[[one[[3]]]]
  # A first stage has no older model to distil from: its zeros are no curve.
  if (!any(is.finite(value)) || (one[[3]] == "distillation" && all(value == 0))) return(NULL)
  rows <- data.frame(panel = one[[1]], line = one[[2]], epoch = before + seq_along(value),
                     value = one[[4]] * value, record = number,
                     kept = losses$epoch == record$best_epoch)
  rows[is.finite(rows$value), ]
}

no_curves <- function() {
  data.frame(panel = character(), line = character(), epoch = numeric(), value = numeric(),
             record = integer(), kept = logical())
}

epochs_of <- function(records) {
  vapply(records, function(record) NROW(as.data.frame(record$losses)), 0L)
}

check_curves <- function(curves, part) {
  if (nrow(curves)) return(invisible())
  canal_abort("stages", "x", sprintf("a model with epochs of its %s", part), "one without",
              paste("canal_pretrain(), canal_train() and cellular_train() leave a record of them;",
                    "files of canal_export() do not keep it."))
}

# Between which epochs stages start and end, and their names; stages without an epoch have none.
# NULL for one stage, in which there is nothing to tell apart.
stage_spans <- function(records) {
  epochs <- epochs_of(records)
  ends <- cumsum(epochs) + 0.5
  spans <- data.frame(start = ends - epochs, end = ends, name = as.character(seq_along(epochs)))
  spans <- spans[epochs > 0, ]
  if (nrow(spans) <= 6) spans$name <- paste("stage", spans$name)
  if (nrow(spans) > 1) spans
}

draw_training <- function(curves, spans, facets) {
  lines <- setdiff(unique(c(training_line, held_line, sort(unique(curves$line)))), "")
  # Few epochs are marked one by one, as are those that make no line.
  lonely <- stats::ave(curves$value, curves$panel, curves$line, curves$record, FUN = length) == 1
  few <- stats::ave(curves$epoch, curves$panel, FUN = max) <= 40
  dots <- curves[lonely | (few & curves$line != ""), ]
  kept <- curves[curves$kept & startsWith(curves$line, held_line), ]
  ggplot2::ggplot(curves, ggplot2::aes(x = .data$epoch, y = .data$value, colour = .data$line,
                                       linetype = .data$line, shape = .data$line)) +
    stage_marks(spans, curves) +
    ggplot2::geom_line(ggplot2::aes(group = paste(.data$line, .data$record)),
                       data = curves[!lonely, ], linewidth = 0.7) +
    ggplot2::geom_point(data = dots, size = 1.5) +
    ggplot2::geom_point(data = kept, shape = 1, size = 3.5, stroke = 0.7, show.legend = FALSE) +
    training_looks(lines[lines %in% curves$line]) + facets +
    ggplot2::scale_x_continuous(breaks = whole_breaks,
                                expand = ggplot2::expansion(mult = 0.02, add = 0.3)) +
    ggplot2::scale_y_continuous(labels = plain_numbers,
                                expand = ggplot2::expansion(mult = c(0.07, 0.1))) +
    ggplot2::labs(x = if (is.null(spans)) "epoch" else "epoch (counted on over the stages)",
                  y = NULL, colour = NULL, linetype = NULL, shape = NULL,
                  caption = if (nrow(kept)) "Rings: the epoch whose weights were kept.") +
    picture_theme() + ggplot2::theme(
      legend.position = "top", legend.justification = "left",
      legend.margin = ggplot2::margin(0, 0, 0, 0), legend.box.spacing = grid::unit(4, "pt")
    )
}

# The line of a setting ("") is black and in no legend.
training_looks <- function(lines) {
  every <- c(lines, "")
  look <- function(values, last) stats::setNames(c(rep_len(values, length(lines)), last), every)
  list(
    ggplot2::scale_colour_manual(values = look(c("#D55E00", "#0072B2", line_colours[-(1:2)]),
                                               "black"), breaks = lines, limits = every),
    ggplot2::scale_linetype_manual(values = look(c("22", "solid", "42", "1242", "11"), "solid"),
                                   breaks = lines, limits = every),
    ggplot2::scale_shape_manual(values = look(c(17, 16, 15, 18, 8), 16), breaks = lines,
                                limits = every)
  )
}

# Where stages start, and their names in the first panel, above its lines.
stage_marks <- function(spans, curves) {
  if (is.null(spans)) return(NULL)
  first <- levels(curves$panel)[1]
  values <- range(curves$value[curves$panel == first])
  names <- data.frame(panel = factor(first, levels(curves$panel)), name = spans$name,
                      epoch = (spans$start + spans$end) / 2,
                      value = values[2] + 0.22 * diff(values))
  list(
    ggplot2::geom_vline(xintercept = spans$start[-1], colour = "grey45", linewidth = 0.3),
    ggplot2::geom_text(ggplot2::aes(x = .data$epoch, y = .data$value, label = .data$name),
                       data = names, inherit.aes = FALSE, size = 3.1)
  )
}

# Without exponents: learning rates are small.
plain_numbers <- function(numbers) format(numbers, scientific = FALSE, trim = TRUE)

whole_breaks <- function(limits) {
  breaks <- unique(round(pretty(limits)))
  breaks[breaks >= 1]
}
