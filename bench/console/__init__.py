"""The pages of the console over a large journal and 5,000 patients: how long each takes, and by which plans."""
