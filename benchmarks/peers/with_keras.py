"""One training of the convolutional VAE that Keras publishes as its example, on the rows of this benchmark.

Network, cost, optimiser and size of batches are those of the example (keras.io, "Variational AutoEncoder", for Keras 3
on TensorFlow), written anew; the rows are binary and not grey.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from meter import Meter
from task import run

LATENT_DIM = 2


class Draw(layers.Layer):
    """A code from its mean and the logarithm of its variance."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, mean, logvar):
        return mean + ops.exp(0.5 * logvar) * keras.random.normal(ops.shape(mean), seed=self.seeds)


class VAE(keras.Model):
    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, logvar, z = self.encoder(data)
            crossed = keras.losses.binary_crossentropy(data, self.decoder(z))
            reconstruction = ops.mean(ops.sum(crossed, axis=(1, 2)))
            divergence = ops.mean(ops.sum(-0.5 * (1 + logvar - ops.square(mean) - ops.exp(logvar)), axis=1))
            loss = reconstruction + divergence
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, value in zip(self.metrics, (loss, reconstruction, divergence), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.metrics}


def make_encoder(seed: int) -> keras.Model:
    picture = keras.Input((28, 28, 1))
    features = picture
    for channels in (32, 64):
        features = layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(features)
    features = layers.Dense(16, activation="relu")(layers.Flatten()(features))
    mean, logvar = layers.Dense(LATENT_DIM)(features), layers.Dense(LATENT_DIM)(features)
    return keras.Model(picture, [mean, logvar, Draw(seed)(mean, logvar)])


def make_decoder() -> keras.Model:
    code = keras.Input((LATENT_DIM,))
    features = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(code))
    for channels in (64, 32):
        features = layers.Conv2DTranspose(channels, 3, strides=2, padding="same", activation="relu")(features)
    return keras.Model(code, layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(features))


class Watch(keras.callbacks.Callback):
    def __init__(self, meter: Meter, pictures: np.ndarray) -> None:
        super().__init__()
        self.meter, self.pictures = meter, pictures

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.meter.start()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.model.stop_training = self.meter.stop(lambda: bound(self.model, self.pictures))


def train(job: dict[str, Any], rows: np.ndarray, held_out: np.ndarray, meter: Meter) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    keras.utils.set_random_seed(job["seed"])
    vae = VAE(make_encoder(job["seed"]), make_decoder())
    vae.compile(optimizer=keras.optimizers.Adam())
    watch = Watch(meter, pictures(held_out))
    vae.fit(pictures(rows), epochs=job["options"]["epochs"], batch_size=128, callbacks=[watch], verbose=2)


def pictures(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 28, 28, 1).astype(np.float32)


def bound(vae: VAE, x: np.ndarray) -> float:
    """Mean evidence lower bound in nats, with one draw for each picture."""
    mean, logvar, _ = vae.encoder.predict(x, batch_size=500, verbose=0)
    z = mean + np.exp(0.5 * logvar) * np.random.default_rng(0).standard_normal(mean.shape, dtype=np.float32)
    p = np.clip(vae.decoder.predict(z, batch_size=500, verbose=0), 1e-7, 1 - 1e-7).astype(float)
    likelihood = np.where(x > 0, np.log(p), np.log1p(-p)).sum((1, 2, 3))
    divergence = -0.5 * (1 + logvar - mean**2 - np.exp(logvar)).astype(float).sum(1)
    return float((likelihood - divergence).mean())


if __name__ == "__main__":
    run(train, "keras", "tensorflow_cpu", "numpy")
