"""Find unusual rows of a table: a VAE learns what is usual, and low scores are the anomalies.

The table has 30 measurements of cell nuclei for each of 569 tumours (Wisconsin diagnostic breast cancer, with
scikit-learn). The model sees benign tumours only. It then scores the benign ones that were kept back and all the
malignant ones. The score is a lower bound on log p(x) in nats, so the lowest are the least likely.
"""

from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from isthmus import VAE


def main() -> None:
    """Train, score, and print how well the scores tell the two kinds apart."""
    data: Any = load_breast_cancer(as_frame=True)
    benign, malignant = data.data[data.target == 1], data.data[data.target == 0]
    usual, unseen = train_test_split(benign, test_size=0.4, random_state=0)

    vae = VAE(latent_dim=6, likelihood="gaussian_per_feature", max_epochs=200, random_state=0).fit(usual)
    print(vae.describe())

    low, high = vae.score_samples(malignant), vae.score_samples(unseen)
    is_anomaly = [1] * len(low) + [0] * len(high)
    auc = roc_auc_score(is_anomaly, [*-low, *-high])
    print(f"mean score: {high.mean():.1f} nats for unseen benign rows, {low.mean():.1f} nats for malignant rows")
    print(f"ROC AUC of -score for malignant against unseen benign: {auc:.3f}")
    worst = malignant.iloc[low.argmin()]
    spread = ((worst - benign.mean()) / benign.std()).abs().sort_values(ascending=False)
    print("the strangest row stands out in: " + ", ".join(f"{k} ({v:.1f} sd)" for k, v in spread.head(3).items()))


if __name__ == "__main__":
    main()
