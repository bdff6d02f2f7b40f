"""Made-up personal data and keys for the demo's prompts; none of it belongs to anyone."""

EMAIL = "ada.lovelace@example.org"
CARD = "4111 1111 1111 1111"
# In two parts, so that nobody's secret scanner takes it for a real one.
API_KEY = "sk-" + "proj-" + "4fEXAMPLE0k2q9Zr7Xw1Lm8Tn5Bv3Hs6"

PLANTED = (EMAIL, CARD, API_KEY)
