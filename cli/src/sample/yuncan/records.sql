-- The tables of yuncan_records as the app has them: types of PostgreSQL where they fit, keys of several columns, references
-- that forbid to delete what is referred to.

CREATE SCHEMA sales;
CREATE SCHEMA records;

CREATE TYPE sales.card AS ENUM ('debit', 'credit');
CREATE TYPE records.permission AS ENUM
    ('gps', 'address_book', 'camera', 'microphone', 'photo_album', 'face_recognition', 'share_with_partners');

CREATE TABLE sales.orders (
    order_id         text PRIMARY KEY,
    user_id          text NOT NULL,
    amount_fen       bigint NOT NULL CHECK (amount_fen > 0),
    payer_name       text,
    payer_phone      text,
    card_type        sales.card,
    card_number      text,
    card_valid_until text,
    wallet_account   text,
    completed_at     timestamptz NOT NULL
);
CREATE INDEX ON sales.orders (user_id);

CREATE TABLE sales.order_items (
    order_id     text NOT NULL REFERENCES sales.orders,
    line         smallint NOT NULL,
    goods        text NOT NULL,
    price_fen    bigint NOT NULL,
    delivered_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE sales.campaign_entries (
    entry_id        text PRIMARY KEY,
    user_id         text NOT NULL,
    campaign        text NOT NULL,
    name            text NOT NULL,
    mailing_address text NOT NULL,
    contact_phone   text,
    bank_account    text NOT NULL,
    created_at      timestamptz NOT NULL
);
CREATE INDEX ON sales.campaign_entries (user_id);

CREATE TABLE records.consents (
    user_id         text NOT NULL,
    consent_id      text NOT NULL,
    permission      records.permission NOT NULL,
    granted         boolean NOT NULL,
    guardian_agreed text NOT NULL,
    policy_version  date NOT NULL,
    device_id       text,
    ip_address      inet,
    given_at        timestamptz NOT NULL,
    PRIMARY KEY (user_id, consent_id)
);

CREATE TABLE records.feedback (
    feedback_id text PRIMARY KEY,
    user_id     text NOT NULL,
    kind        text NOT NULL,
    about       text[] NOT NULL,
    text        text NOT NULL,
    context     jsonb NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX ON records.feedback (user_id);

CREATE TABLE records.feedback_replies (
    feedback_id text NOT NULL REFERENCES records.feedback,
    reply       smallint NOT NULL,
    text        text NOT NULL,
    replied_at  timestamptz NOT NULL,
    PRIMARY KEY (feedback_id, reply)
);
