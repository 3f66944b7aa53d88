-- 诊断：有变动的住院，其诊断整份重报。
SELECT z.id      AS row_id,
       z.xgsj    AS changed_at,
       z.zyh     AS ipt_no,
       z.zdlb    AS diag_type,
       z.zzd     AS maindiag_flag,
       z.pxh     AS diag_srt_no,
       z.icd     AS diag_code,
       z.zdmc    AS diag_name,
       z.rybq    AS adm_cond,
       z.zdks    AS diag_dept,
       z.ysbm    AS dise_dor_no,
       z.ysxm    AS dise_dor_name,
       z.zdsj    AS diag_time,
       z.zfbz    AS void_flag
FROM   zy_brzd z
