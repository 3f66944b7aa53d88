"""The hospital's DIP system follows the settlement (ET-09): what it is told, and where it differs."""
