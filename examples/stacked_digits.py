"""Stack autoencoders: digits squeezed stage by stage, then trained as one, against the same network from scratch.

Four models have the same layers, 64-48-24-8 and back. What each stage keeps of unseen digits falls as the code becomes
narrower; training the whole wins back most of what the stages lost one by one. A linear classifier on the codes, which
were learned without labels, says what they are worth for another task.
"""

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import StackedAutoencoder
from isthmus.data import load

EPOCHS = 40
CODE = 8
MODELS = {
    "stages only": {"fine_tuning": False},
    "stages, then the whole": {},
    "denoising stages, then the whole": {"pretraining": "denoising", "noise": 0.2},
    "from scratch, twice the epochs": {"pretraining": None, "max_epochs": 2 * EPOCHS},
}


def main() -> None:
    """Print what every stage keeps, and then the error and the use of the code of each model."""
    digits = load("digits")
    train, test, y_train, y_test = train_test_split(digits.X, digits.y, test_size=450, random_state=0)
    rows = []
    for name, options in MODELS.items():
        settings = {"widths": (48, 24), "max_epochs": EPOCHS, "random_state": 0, **options}
        model = StackedAutoencoder(CODE, **settings).fit(train)
        if name == "stages only":
            print("what is left of digits that were held out, after each stage")
            for stage in model.stages_:
                print(f"  {stage.n_in:>2} to {stage.n_out:>2} values   R² {stage.r2:.2f}  {'█' * round(40 * stage.r2)}")
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        accuracy = classifier.fit(model.transform(train), y_train).score(model.transform(test), y_test)
        metrics = model.evaluate(test)
        rows.append((name, metrics["r2"], metrics["mse"], accuracy))
    print(f"\nunseen digits through a code of {CODE}")
    print(f"{'':<34}{'R²':>6}{'squared error':>15}{'digits told apart':>19}")
    for name, r2, mse, accuracy in rows:
        print(f"{name:<34}{r2:>6.3f}{mse:>15.0f}{100 * accuracy:>17.1f} %")


if __name__ == "__main__":
    main()
