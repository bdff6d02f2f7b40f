"""
The secrets: keys and tokens that providers give a form of their own, as data.

Sources: the providers' documentation, and what they publish for GitHub secret scanning. No
pattern needs a terminator, so that a key at the end of a sentence is found.
"""

from processors.redaction import checks, secret_checks
from processors.redaction.rules import Rule, relax


def _keys(*patterns: tuple[str, str]) -> list[Rule]:
    return [Rule(kind, pattern, check=secret_checks.looks_random) for kind, pattern in patterns]


def _key(kind: str, pattern: str, mark: str) -> Rule:
    """Return a rule whose ``mark`` stands within the key: a prefilter by its head is slow."""
    return Rule(kind, pattern, check=secret_checks.looks_random, hint=relax(mark))


# In the order of precedence: where two overlap, the first one names the finding.
PROVIDERS: list[Rule] = [
    Rule(
        "aws_key",
        r"\b(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA|ANVA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
        check=checks.standing_alone,
    )
]
PROVIDERS += _keys(
    ("anthropic_key", r"\bsk-ant-[A-Za-z0-9_-]{10,}"),
    ("openai_key", r"\bsk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{16,}"),
    ("github_token", r"\b(?:gh[opusr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    (
        "gitlab_token",
        r"\b(?:gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas|wt)-[A-Za-z0-9_.=-]{16,}|GR1348941[A-Za-z0-9_-]{16,})",
    ),
    (
        "slack_token",
        r"\b(?:xox[abcdeoprs](?:\.xox[bp])?-[A-Za-z0-9.%-]{10,}|xapp-\d-[A-Za-z0-9-]{10,})",
    ),
    ("slack_webhook", r"\bhooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{16,}"),
    (
        "teams_webhook",
        r"\b(?:outlook|webhook)\.office(?:365)?\.com/webhook(?:b2)?/[A-Za-z0-9@/-]{40,}",
    ),
    (
        "google_key",
        r"\b(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[A-Za-z0-9_-]{20,}|AQ\.Ab[A-Za-z0-9_-]{30,}|1//0[A-Za-z0-9_-]{30,})",
    ),
    (
        "stripe_key",
        r"\b(?:(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,})",
    ),
    ("huggingface_token", r"\b(?:hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{20,})"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{30,}"),
    ("pypi_token", r"\bpypi-(?:AgE[A-Za-z0-9_-]{10,}|[A-Za-z0-9_-]{50,})"),
    ("twilio_key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    ("sendgrid_key", r"\bSG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}"),
    ("mailgun_key", r"\bkey-[0-9a-f]{32}\b"),
    ("groq_key", r"\bgsk_[A-Za-z0-9]{20,}"),
    ("xai_key", r"\bxai-[A-Za-z0-9]{20,}"),
    ("replicate_key", r"\br8_[A-Za-z0-9]{20,}"),
    ("perplexity_key", r"\bpplx-[A-Za-z0-9]{20,}"),
    ("nvidia_key", r"\bnvapi-[A-Za-z0-9_-]{20,}"),
    ("langsmith_key", r"\b(?:lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}|ls__[a-f0-9]{32})"),
    ("langfuse_key", r"\b(?:sk|pk)-lf-[0-9a-f-]{16,}"),
    ("databricks_token", r"\b(?:dapi|dkea|dose)[0-9a-f]{32}(?:-\d)?"),
    ("pinecone_key", r"\bpcsk_[A-Za-z0-9_]{20,}"),
    ("tavily_key", r"\btvly-[A-Za-z0-9-]{16,}"),
    ("fireworks_key", r"\bfw_[A-Za-z0-9]{20,}"),
    ("telegram_token", r"(?:\b|\bbot)\d{8,10}:AA[A-Za-z0-9_-]{32,}"),
    ("digitalocean_token", r"\bdo[opr]_v1_[0-9a-f]{64}"),
    ("shopify_token", r"\bshp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}"),
    ("notion_token", r"\b(?:secret_[A-Za-z0-9]{40,}|ntn_[A-Za-z0-9]{40,})"),
    ("atlassian_token", r"\bATATT3[A-Za-z0-9_=-]{20,}"),
    ("airtable_token", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("vault_token", r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}"),
    ("linear_key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    ("doppler_token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9]{30,}"),
    ("newrelic_key", r"\bNR(?:AK|JS|II)-[A-Za-z0-9_-]{19,}"),
    ("sentry_token", r"\bsntry[su]_[A-Za-z0-9+/=_-]{30,}"),
    ("grafana_token", r"\b(?:glc_[A-Za-z0-9+/=]{30,}|glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8})"),
    ("supabase_key", r"\b(?:sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{20,})"),
    ("docker_token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("rubygems_key", r"\brubygems_[0-9a-f]{48}"),
    ("postman_key", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("square_token", r"\b(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{56,})"),
    ("figma_token", r"\bfig[dour]_[A-Za-z0-9_-]{30,}"),
    ("elevenlabs_key", r"\bsk_[0-9a-f]{40,}"),
    ("dynatrace_token", r"\bdt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("aws_key", r"\bABSK[A-Za-z0-9+/]{60,}={0,2}"),
    ("cerebras_key", r"\bcsk-[A-Za-z0-9]{30,}"),
    ("fly_token", r"\bfm[12][ra]?_[A-Za-z0-9+/=_-]{40,}"),
    ("heroku_key", r"\bHRKU-[A-Za-z0-9_-]{30,}"),
    ("netlify_token", r"\bnf[pcoub]_[A-Za-z0-9]{30,}"),
    ("vercel_token", r"\bvc[apirk]_[A-Za-z0-9]{24,}"),
    ("planetscale_token", r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{20,}"),
    ("cargo_token", r"\bcio[A-Za-z0-9]{32}\b"),
    ("posthog_key", r"\bph[xcra]_[A-Za-z0-9]{30,}"),
    ("tailscale_key", r"\btskey-[a-z]{2,10}-[A-Za-z0-9-]{16,}"),
    ("circleci_token", r"\bCCIP(?:AT|RJ)_[A-Za-z0-9_]{30,}"),
    ("bitbucket_token", r"\bATBB[A-Za-z0-9_=.-]{24,}"),
    ("pulumi_token", r"\bpul-[0-9a-f]{40}"),
    ("buildkite_token", r"\bbk(?:ua|ct)_[A-Za-z0-9]{30,}"),
    ("brevo_key", r"\bxkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("resend_key", r"\bre_[A-Za-z0-9]{7,10}_[A-Za-z0-9]{20,}"),
    ("jina_key", r"\bjina_[A-Za-z0-9_-]{40,}"),
    ("voyage_key", r"\bpa-[A-Za-z0-9_-]{40,}"),
    ("together_key", r"\btgp_v1_[A-Za-z0-9_-]{40,}"),
    ("firecrawl_key", r"\bfc-[0-9a-f]{32}\b"),
    ("e2b_key", r"\be2b_[0-9a-f]{40}"),
    ("apify_token", r"\bapify_api_[A-Za-z0-9]{30,}"),
    ("runpod_key", r"\brpa_[A-Z0-9]{40,}"),
    ("wandb_key", r"\bwandb_v1_[A-Za-z0-9_]{40,}"),
    ("onepassword_token", r"\bops_eyJ[A-Za-z0-9_-]{60,}"),
    ("alibaba_key", r"\bLTAI[A-Za-z0-9]{12,24}\b"),
    ("mapbox_token", r"\bsk\.eyJ[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{16,}"),
    ("facebook_token", r"\bEAA(?:CEdEose0cBA|[A-Z][A-Za-z0-9]{2})[A-Za-z0-9]{40,}"),
    ("typeform_token", r"\btfp_[A-Za-z0-9_-]{40,}"),
    ("clojars_token", r"\bCLOJARS_[A-Za-z0-9]{60}"),
    ("duffel_token", r"\bduffel_(?:test|live)_[A-Za-z0-9_=-]{40,}"),
    ("flutterwave_key", r"\bFLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}"),
    ("prefect_key", r"\bpnu_[A-Za-z0-9]{30,}"),
    ("readme_key", r"\brdme_[A-Za-z0-9]{60,}"),
    ("scalingo_token", r"\btk-us-[A-Za-z0-9_-]{40,}"),
    ("adafruit_key", r"\baio_[A-Za-z0-9]{28}\b"),
    ("fly_token", r"\bfo1_[A-Za-z0-9_-]{40,}"),
    ("cloudflare_key", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{120,}"),
    ("brave_key", r"\bBSA[A-Za-z0-9_-]{28}\b"),
    ("sonar_token", r"\bsq[apu]_[0-9a-f]{40}"),
    ("sourcegraph_token", r"\bsgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}"),
    ("openshift_token", r"\bsha256~[A-Za-z0-9_-]{40,}"),
    ("plaid_token", r"\baccess-(?:sandbox|development|production)-[0-9a-f-]{36}"),
    ("dropbox_token", r"\bsl\.[A-Za-z0-9_=-]{100,}"),
    ("contentful_token", r"\bCFPAT-[A-Za-z0-9_-]{40,}"),
    ("shippo_token", r"\bshippo_(?:live|test)_[0-9a-f]{40}"),
    ("nuget_key", r"\boy2[a-z0-9]{43}\b"),
    ("easypost_key", r"\bEZ[AT]K[A-Za-z0-9]{54}"),
    ("age_key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}"),
)

_PROVIDER_KEY = (
    r"(?:azure|openai|mistral|cohere|wandb|datadog|twilio|deepseek|heroku|cloudflare|algolia"
    r"|assemblyai|deepgram|serper|serpapi|pagerduty|okta|anthropic|gemini|github|gitlab)"
    r"[ _.'-]{0,3}(?:[a-z]{1,12}[ _-]){0,2}(?:key|token|secret)"
)
# Names that are words of any text: what stands between must speak of keys too. (Any two words
# there would be followed by the prefilter through every sentence with an account in it.)
_WORDY_PROVIDER_KEY = (
    r"(?:account|elastic|slack|stripe|subscription|together)[ _.'-]{0,3}(?:(?:access|admin|ai|api"
    r"|app|auth|bot|client|cloud|live|master|oauth|personal|primary|private|public|restricted|secondary"
    r"|secret|service|shared|signing|storage|test|user|verification|webhook)[ _-]){0,2}"
    r"(?:key|token|secret)"
)

_MARKED = [
    _key("mailchimp_key", r"\b[0-9a-f]{32}-us\d{1,2}\b", r"[0-9a-f]-us\d"),
    _key("azure_key", r"\b[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{30,}", r"\dQ~[A-Za-z0-9_~.-]{8}"),
    _key("azure_key", r"\b[A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{8,40}", "JQQJ99"),
    _key(
        "discord_token",
        r"\b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
        r"[A-Za-z0-9_-]\.[A-Za-z0-9_-]{6}\." + "[A-Za-z0-9_-]{9}" * 3,
    ),
    _key(
        "discord_token",
        r"\bdiscord(?:app)?\.com/api/webhooks/\d+/[A-Za-z0-9_-]{20,}",
        "/api/webhooks/",
    ),
    _key("terraform_token", r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}", r"\.atlasv1\."),
]

# A key's relatives that carry no mark of their own: 40 characters near the provider's name.
PROVIDERS += [
    *_MARKED,
    Rule(
        "aws_secret",
        r"(?:^|[^A-Za-z0-9/+])([A-Za-z0-9/+]{40})",
        check=secret_checks.aws_secret,
        context=("aws", "secret", "AKIA", "ASIA"),
    ),
    Rule(
        "provider_key",
        r"\b[A-Za-z0-9]{32,64}\b",
        check=secret_checks.provider_key,
        context=(_PROVIDER_KEY, _WORDY_PROVIDER_KEY),
    ),
]

_AUTHORITY = r"://[^\x00-\x20/\"'<>]+@"

STRUCTURED: list[Rule] = [
    Rule(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
        check=secret_checks.pem_block,
    ),
    Rule("private_key", r"\bPuTTY-User-Key-File-", check=secret_checks.putty_block),
    Rule(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}",
        r"(?:\.[A-Za-z0-9_-]*){0,3}",
        secret_checks.jwt,
    ),
    Rule(
        "url_password",
        r"[A-Za-z][A-Za-z0-9+.-]{1,30}://",
        r"[^\s:/@\"'<>]*:([^\s/\"'<>]+)@[A-Za-z0-9\[_%{$]",
        hint=_AUTHORITY,
        check=secret_checks.url_password,
    ),
    Rule(
        "url_password",
        r"[a-z][a-z0-9+.-]{1,20}://",
        r"([A-Za-z0-9_.~-]{20,200})@[A-Za-z0-9\[]",
        hint=_AUTHORITY,
        check=secret_checks.looks_random,
    ),
]
